/**
 * Several patches of one object: per function the newest active one wins. The bytes at an entry are never remembered,
 * always derived: the newest active patch's redirect, or what the base has there.
 */
import type { Arch } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { hex, type Remote } from '../bytes/address.ts';
import type { Region, RegionFunction } from './region.ts';
import type { TryRead } from './view.ts';

export type Standing =
  /** At least one entry leads into it. */
  | 'active'
  /** In force, but newer patches have all of its functions. */
  | 'buried'
  /** Nothing leads into it and nothing should: an apply or revert that did not end left it, or data still in use. */
  | 'leftover'
  /** It should be active, but its entries are the base's or foreign. */
  | 'detached';

/** The standing of every region, by its redirects first and the phase it was left in second. `regions`: oldest first. */
export function standings(regions: readonly Region[], tryRead: TryRead, arch: Arch): Map<Region, Standing> {
  const found = new Map<Region, Standing>();
  for (const region of [...regions].reverse()) {
    const leads = region.functions.some((entry) => leadsTo(entry, tryRead, arch));
    const phase = region.state?.phase ?? 'active';
    const newer = [...found].filter(([, standing]) => standing === 'active' || standing === 'buried');
    const covered = region.functions.every(({ redirectAt }) =>
      newer.some(([other]) => other.functions.some((entry) => entry.redirectAt === redirectAt)),
    );
    if (leads) found.set(region, 'active');
    else if (phase !== 'active') found.set(region, 'leftover');
    else found.set(region, covered ? 'buried' : 'detached');
  }
  return found;
}

export function leadsTo(entry: RegionFunction, tryRead: TryRead, arch: Arch): boolean {
  const code = tryRead(entry.redirectAt, entry.originalBytes.length);
  return code !== undefined && arch.jump.decode(code, entry.redirectAt) === entry.replacement;
}

/** What the base has at an entry: the oldest patch of ours knows, or else the oldest of all. */
export function baseBytesAt(at: Remote, regions: readonly Region[]): Uint8Array | undefined {
  const entries = regions.flatMap((region) =>
    region.functions.filter(({ redirectAt }) => redirectAt === at).map((entry) => ({ region, entry })),
  );
  return (entries.find(({ region }) => region.origin === 'suture') ?? entries[0])?.entry.originalBytes;
}

/** The bytes that belong at an entry when exactly `active` (oldest first) are in force. */
export function derivedBytes(
  at: Remote,
  active: readonly Region[],
  base: Uint8Array,
  arch: Arch,
): Uint8Array {
  for (const region of [...active].reverse()) {
    const entry = region.functions.find(({ redirectAt }) => redirectAt === at);
    if (entry === undefined) continue;
    return redirect(arch, at, entry.replacement, base.length, entry.name);
  }
  return base;
}

/** Machine code of the redirect of `size` bytes. Throws NO_ROOM when it does not reach. */
export function redirect(arch: Arch, from: Remote, to: Remote, size: number, name: string): Uint8Array {
  const code = arch.jump.encode(from, to, size);
  if (code !== undefined) return code;
  throw new SutureError('NO_ROOM', `the redirect of ${name} at ${hex(from)} does not reach ${hex(to)}`);
}

/** Which of `regions` the bytes at an entry lead into. */
export function ownerOf(
  code: Uint8Array,
  at: Remote,
  regions: readonly Region[],
  arch: Arch,
): Region | undefined {
  const to = arch.jump.decode(code, at);
  if (to === undefined) return undefined;
  return regions.find((region) =>
    region.functions.some(({ redirectAt, replacement }) => redirectAt === at && replacement === to),
  );
}

/** All entries that any of these regions redirects, each once. */
export function entriesOf(regions: readonly Region[]): { readonly at: Remote; readonly name: string }[] {
  const seen = new Map<Remote, string>();
  for (const region of regions) {
    for (const { redirectAt, name } of region.functions)
      if (!seen.has(redirectAt)) seen.set(redirectAt, name);
  }
  return [...seen].map(([at, name]) => ({ at, name }));
}
