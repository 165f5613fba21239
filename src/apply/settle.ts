/**
 * What commands left that were killed, and what to do about it. The redirects say what is in force; a patch that was
 * placed and never reached is taken out, one that was being taken back and is not reached any more too; a patch set
 * of which a part is in force becomes whole again by taking that part back.
 */
import type { Remote } from '../bytes/address.ts';
import { plus } from '../bytes/address.ts';
import { MAGIC } from '../patch/layout.ts';
import { couldBeRegion, type Region } from './region.ts';
import type { Standing } from './stack.ts';
import type { MappingView, TryRead } from './view.ts';

export interface Settlement {
  /** Out of reach: to be unmapped. */
  readonly unmap: readonly Region[];
  /** In force although their phase does not say so. */
  readonly markActive: readonly Region[];
  /** In force without the rest of their set: to be reverted. */
  readonly revert: readonly Region[];
}

export function settlement(standings: ReadonlyMap<Region, Standing>): Settlement {
  const ours = [...standings].filter(([region]) => region.state !== undefined);
  const unmap = ours.filter(([, standing]) => standing === 'leftover').map(([region]) => region);
  const broken = new Set(unmap.map(({ state }) => state?.transaction));
  const inForce = ours.filter(([, standing]) => standing === 'active').map(([region]) => region);
  const revert = inForce.filter(
    (region) =>
      broken.has(region.state?.transaction) &&
      unmap.some((left) => left.state?.transaction === region.state?.transaction && sharesFate(left, region)),
  );
  const markActive = inForce.filter((region) => region.state?.phase !== 'active' && !revert.includes(region));
  return { unmap, markActive, revert };
}

/**
 * An apply that ended half leaves "placed" beside what it committed; a revert that ended half leaves "reverting" on
 * both. A whole set of which one object's patch was taken out later is no half.
 */
function sharesFate(left: Region, inForce: Region): boolean {
  if (left.state?.phase === 'placed') return true;
  return left.state?.phase === 'reverting' && inForce.state?.phase === 'reverting';
}

/**
 * Which of the ranges that a killed command intended to map are still its. Everything mapped there must be anonymous
 * or a copy of an object's pages outside of every object, must fill the range exactly, and begin as a region begins
 * (or still be empty).
 */
export function abandonedRanges(
  intended: readonly { readonly start: Remote; readonly size: number }[],
  maps: readonly MappingView[],
  objects: readonly { readonly start: Remote; readonly end: Remote; readonly path: string }[],
  tryRead: TryRead,
): { readonly start: Remote; readonly size: number }[] {
  return intended.filter(({ start, size }) => {
    const end = plus(start, size);
    const inside = maps.filter((m) => m.start < end && m.end > start);
    const [first] = inside;
    if (first === undefined || first.start !== start || inside.at(-1)?.end !== end) return false;
    if (inside.some((m, i) => i > 0 && inside[i - 1]!.end !== m.start)) return false;
    if (objects.some((object) => start < object.end && end > object.start)) return false;
    const isCopy =
      inside.length === 1 && first.execute && !first.write && objects.some(({ path }) => path === first.path);
    if (isCopy) return true;
    if (!inside.every((m) => m.path === '' && !m.shared)) return false;
    if (!first.read && !first.write && !first.execute) return true;
    if (inside.length === 1 && holdsPath(tryRead, start, objects)) return true;
    return couldBeRegion(first) && beginsLikeRegion(tryRead(start, MAGIC.length + 1));
  });
}

/** A copy that was about to be made of a file begins as the file's path. */
function holdsPath(tryRead: TryRead, at: Remote, objects: readonly { readonly path: string }[]): boolean {
  return objects.some(({ path }) => {
    const bytes = tryRead(at, path.length + 1);
    return (
      bytes !== undefined &&
      [...`${path}\0`].every((character, i) => bytes[i] === (character.charCodeAt(0) & 0xff))
    );
  });
}

function beginsLikeRegion(bytes: Uint8Array | undefined): boolean {
  if (bytes === undefined) return false;
  const magic = [...MAGIC].every((character, i) => bytes[i] === character.charCodeAt(0));
  return magic || bytes.every((byte) => byte === 0);
}
