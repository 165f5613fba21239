/**
 * The entries that a patch redirects, as they are in the process: still the base's code, or the redirect of a patch
 * that is known. Anything else there is somebody's hook, and is left alone.
 */
import { SutureError } from '../base/errors.ts';
import { hex, plus, type Remote, toRemote, vaddr } from '../bytes/address.ts';
import type { Manifest, ManifestFunction } from '../patch/manifest.ts';
import type { Patch } from '../patch/patch.ts';
import { sameBytes } from './commit.ts';
import type { Region } from './region.ts';
import type { ForbiddenRange } from './safety.ts';
import { baseBytesAt, ownerOf } from './stack.ts';
import type { ObjectView, ProcessView } from './view.ts';

export interface Entry {
  readonly name: string;
  readonly original: Remote;
  readonly originalSize: number;
  readonly redirectAt: Remote;
  /** Bytes that the base has at `redirectAt`, as many as a redirect takes. */
  readonly base: Uint8Array;
  /** Bytes that stand there now. */
  readonly present: Uint8Array;
  /** Bytes from the start of the patch's text to the new body, and its size. */
  readonly replacement: { readonly offset: number; readonly size: number };
  /** All of the original's code. */
  readonly code: readonly ForbiddenRange[];
  /** The first bytes of the original as the base has them. */
  readonly entryBytes: Uint8Array;
}

/** Bytes at an entry that a manifest notes. */
const NOTED = 16;

/** Looks at every entry of the patch. @throws SutureError UNSAFE, UNSUPPORTED */
export function readEntries(
  process: ProcessView,
  object: ObjectView,
  patch: Patch,
  regions: readonly Region[],
): Entry[] {
  return patch.manifest.functions.flatMap((fn) =>
    fn.original === undefined ? [] : [readEntry(process, object, patch, fn, fn.original, regions)],
  );
}

function readEntry(
  process: ProcessView,
  object: ObjectView,
  patch: Patch,
  fn: ManifestFunction,
  range: NonNullable<ManifestFunction['original']>,
  regions: readonly Region[],
): Entry {
  const { jump } = patch.arch;
  const original = toRemote(vaddr(BigInt(range.address)), object.bias);
  const where = `${fn.name} at ${hex(original)} in ${object.path}`;
  requirePatchable(process, object, original, range.size, where);
  const noted = fromHex(range.entryBytes);
  const size = Math.min(Math.max(noted.length, NOTED), Math.max(range.size, noted.length));
  const code = process.memory.read(original, size);
  // A patch without noted bytes (LibcarePlus's) leaves a landing pad in place too.
  const redirectOffset = noted.length > 0 ? range.redirectOffset : jump.landingPad(code);
  const redirectSize = jump.sizeIn(range.size - redirectOffset);
  if (redirectSize === 0) {
    throw new SutureError('UNSUPPORTED', `${where} is too short for a redirect: ${range.size} bytes`, {
      remedy: 'patch its callers instead',
    });
  }
  const redirectAt = plus(original, redirectOffset);
  const window = (bytes: Uint8Array) => bytes.slice(redirectOffset, redirectOffset + redirectSize);
  const present = window(code);
  const owner = ownerOf(present, redirectAt, regions, patch.arch);
  const base =
    noted.length > 0
      ? window(noted)
      : owner === undefined
        ? present
        : (baseBytesAt(redirectAt, regions) ?? present);

  const entryBytes = noted.length > 0 ? noted : withWindow(code, base, redirectOffset);
  const asExpected = withWindow(code, base, redirectOffset);
  const untouched = sameBytes(asExpected.subarray(0, entryBytes.length), entryBytes);
  const known = sameBytes(present, base) || owner !== undefined;
  const led = jump.decode(present, redirectAt);
  const leadsAway = owner === undefined && led !== undefined && (led < object.start || led >= object.end);
  if (!untouched || !known || (noted.length === 0 && leadsAway))
    throw foreign(where, code, original, range.size, patch, regions);

  const parts = [range, ...range.parts].map((part) => {
    const start = toRemote(vaddr(BigInt(part.address)), object.bias);
    return { start, end: plus(start, part.size), name: fn.name };
  });
  return {
    name: fn.name,
    original,
    originalSize: range.size,
    redirectAt,
    base,
    present,
    replacement: fn.replacement,
    code: parts,
    entryBytes,
  };
}

function withWindow(code: Uint8Array, window: Uint8Array, offset: number): Uint8Array {
  const bytes = code.slice();
  bytes.set(window, offset);
  return bytes;
}

/** The original must lie in private executable memory of the object: writing elsewhere would fail or reach others. */
function requirePatchable(
  process: ProcessView,
  object: ObjectView,
  original: Remote,
  size: number,
  where: string,
): void {
  const inObject = original >= object.start && plus(original, size) <= object.end;
  const mapping = process.maps().find(({ start, end }) => original >= start && original < end);
  if (inObject && mapping?.execute === true && !mapping.shared) return;
  throw new SutureError('UNSAFE', `${where} is not private executable memory of the object`, {
    remedy: 'check that the patch was built for this file',
  });
}

function foreign(
  where: string,
  code: Uint8Array,
  original: Remote,
  originalSize: number,
  patch: Patch,
  regions: readonly Region[],
): SutureError {
  const redirectSize = patch.arch.jump.sizeIn(originalSize);
  const owner = ownerOf(code.subarray(0, redirectSize), original, regions, patch.arch);
  const found = Array.from(code.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return owner === undefined
    ? new SutureError('UNSAFE', `${where} starts with foreign bytes (${found})`, {
        remedy: 'remove the breakpoint, probe or hook that another tool has set there',
      })
    : new SutureError('UNSAFE', `${where} is redirected over its landing pad by patch ${owner.id}`, {
        remedy: `revert ${owner.id} first`,
      });
}

const fromHex = (text: string): Uint8Array =>
  Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));

const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** The manifest with what only the process could tell: a patch of LibcarePlus knows neither file nor entry bytes. */
export function completedManifest(
  { manifest, origin }: Patch,
  object: ObjectView,
  entries: readonly Entry[],
): Manifest {
  if (origin === 'suture') return manifest;
  const file = object.path.slice(object.path.lastIndexOf('/') + 1) || 'unnamed';
  let next = 0;
  return {
    ...manifest,
    target: { ...manifest.target, file, type: object.isExecutable ? 'executable' : 'library' },
    functions: manifest.functions.map((fn) => {
      if (fn.original === undefined) return fn;
      const entry = entries[next++]!;
      return {
        ...fn,
        original: {
          ...fn.original,
          entryBytes: toHex(entry.entryBytes),
          redirectOffset: Number(entry.redirectAt - entry.original),
        },
      };
    }),
  };
}
