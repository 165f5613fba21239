/** Everything about taking patches back that can be decided while the target runs. */
import { SutureError } from '../base/errors.ts';
import { hex, plus, type Remote } from '../bytes/address.ts';
import { type EntryChange, sameBytes } from './commit.ts';
import { codeOf, isOf } from './plan.ts';
import { type Region, readRegions } from './region.ts';
import type { ForbiddenRange } from './safety.ts';
import { baseBytesAt, derivedBytes, entriesOf, ownerOf, standings } from './stack.ts';
import type { ObjectView, ProcessView } from './view.ts';

export interface RevertPlan {
  readonly kind: 'revert';
  readonly targets: readonly { readonly region: Region; readonly object: ObjectView | undefined }[];
  readonly changes: readonly EntryChange[];
  readonly forbidden: readonly ForbiddenRange[];
  /** Undo bytes in other regions that led into the targets, for tools that use them (LibcarePlus). */
  readonly undoBytes: readonly { readonly at: Remote; readonly bytes: Uint8Array }[];
}

export type RevertResult = RevertPlan | { readonly kind: 'not-applied'; readonly reason: string };

/** Which patches to take back. */
export type RevertChoice = (region: Region) => boolean;

/**
 * Plans taking back every chosen patch of the process, in whatever order they came.
 * @throws SutureError UNSAFE when a patch that stays needs one of them, or an entry was changed by somebody else.
 */
export function planRevert(process: ProcessView, chosen: RevertChoice, what: string): RevertResult {
  const { tryRead } = process.memory;
  const { arch } = process;
  const { regions } = readRegions(process.maps(), tryRead, arch);
  const standing = standings(regions, tryRead, arch);
  const targets = regions.filter(chosen);
  if (targets.length === 0) return { kind: 'not-applied', reason: `the process has no patch ${what}` };
  const objects = process.modules();
  const remaining = regions.filter(
    (region) => !targets.includes(region) && ['active', 'buried'].includes(standing.get(region) ?? ''),
  );
  for (const target of targets) requireUnneeded(target, remaining, objects);

  const changes = entriesOf(targets).flatMap(({ at, name }): EntryChange[] => {
    const base = baseBytesAt(at, regions);
    const present = base && tryRead(at, base.length);
    // The object itself was unloaded: there is no entry any more.
    if (base === undefined || present === undefined) return [];
    if (!objects.some(({ start, end }) => at >= start && at < end)) return [];
    const wanted = derivedBytes(at, remaining, base, arch);
    if (sameBytes(present, wanted)) return [];
    if (ownerOf(present, at, regions, arch) === undefined) {
      throw new SutureError('UNSAFE', `the entry of ${name} at ${hex(at)} was changed by another tool`, {
        remedy: 'remove the breakpoint, probe or hook that stands there',
      });
    }
    return [{ at, expected: present, replacement: wanted, name }];
  });
  return {
    kind: 'revert',
    targets: targets.map((region) => ({ region, object: objects.find((object) => isOf(region, object)) })),
    changes,
    forbidden: targets.map(codeOf),
    undoBytes: undoRewrites(process, targets, remaining, regions),
  };
}

function requireUnneeded(target: Region, remaining: readonly Region[], objects: readonly ObjectView[]): void {
  const object = objects.find((candidate) => isOf(target, candidate));
  const dependent = remaining.find(
    (region) =>
      region.manifest?.requires.includes(target.id) === true && object !== undefined && isOf(region, object),
  );
  if (dependent === undefined) return;
  throw new SutureError('UNSAFE', `${dependent.id} builds on ${target.id}, which therefore stays`, {
    remedy: `revert ${dependent.id} first, or both together`,
  });
}

function undoRewrites(
  process: ProcessView,
  targets: readonly Region[],
  remaining: readonly Region[],
  all: readonly Region[],
): { at: Remote; bytes: Uint8Array }[] {
  const { arch } = process;
  return remaining.flatMap((region, position) =>
    region.functions.flatMap(({ redirectAt, record, originalBytes }) => {
      const at = plus(region.start, region.undoOffset + record * arch.jump.size);
      const undo = process.memory.tryRead(at, originalBytes.length);
      if (undo === undefined || ownerOf(undo, redirectAt, targets, arch) === undefined) return [];
      const base = baseBytesAt(redirectAt, all);
      return base === undefined
        ? []
        : [{ at, bytes: derivedBytes(redirectAt, remaining.slice(0, position), base, arch) }];
    }),
  );
}
