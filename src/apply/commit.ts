/**
 * Changing the entries of several functions so that the target has all of the old or all of the new at any instant,
 * even if this program is killed in between: one write when all lies in one page, else a private copy of the pages
 * that takes the originals' place with one mremap. For several objects it is one mremap each, in a chain that the
 * target goes through by itself once it has begun (docs/adr/0005-commit.md).
 */
import { SutureError } from '../base/errors.ts';
import { alignDownBig, alignUpBig, hex, plus, type Remote, remote } from '../bytes/address.ts';
import type { MappingView } from './view.ts';

/** Bytes to stand at an address; `expected` is what stands there now. */
export interface EntryChange {
  readonly at: Remote;
  readonly expected: Uint8Array;
  readonly replacement: Uint8Array;
  /** For messages: the function. */
  readonly name: string;
}

/** How the changes of one object are made. */
export type CommitMethod =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'write';
      readonly changes: readonly EntryChange[];
      readonly start: Remote;
      readonly end: Remote;
    }
  | {
      readonly kind: 'exchange';
      readonly changes: readonly EntryChange[];
      /** Pages that the copy replaces. */
      readonly start: Remote;
      readonly end: Remote;
      readonly mapping: MappingView;
    };

/**
 * Decides the method. All changes must lie in mappings of one object; `alone`: no other object changes with it, so that
 * a write will do when one page holds them all. Throws UNSUPPORTED when the pages cannot be
 * exchanged as one because they are not one readable and executable private range.
 */
export function commitMethod(
  changes: readonly EntryChange[],
  maps: readonly MappingView[],
  pageSize: number,
  alone: boolean,
): CommitMethod {
  const page = BigInt(pageSize);
  let start: bigint | undefined;
  let end = 0n;
  for (const { at, replacement } of changes) {
    if (start === undefined || at < start) start = at;
    if (at + BigInt(replacement.length) > end) end = at + BigInt(replacement.length);
  }
  if (start === undefined) return { kind: 'none' };
  if (alone && alignDownBig(start, page) === alignDownBig(end - 1n, page)) {
    return { kind: 'write', changes, start: remote(start), end: remote(end) };
  }
  const first = remote(alignDownBig(start, page));
  const last = remote(alignUpBig(end, page));
  return { kind: 'exchange', changes, start: first, end: last, mapping: coveringMapping(maps, first, last) };
}

/**
 * A mapping of the file among those that hold [start, end), after making sure that all of it is private r-x memory in
 * one sequence of one file. Pages that an earlier exchange left without a file are part of that sequence.
 */
function coveringMapping(maps: readonly MappingView[], start: Remote, end: Remote): MappingView {
  const covering = maps.filter((m) => m.end > start && m.start < end);
  const named = covering.find(({ path }) => path !== '') ?? covering[0];
  const origin = named === undefined ? 0n : named.start - BigInt(named.fileOffset);
  let covered: bigint = start;
  for (const m of covering) {
    const isCode = m.read && m.execute && !m.write && !m.shared;
    const inSequence = m.path === '' || (m.path === named?.path && m.start - BigInt(m.fileOffset) === origin);
    if (m.start > covered || !isCode || !inSequence) break;
    covered = m.end;
  }
  if (named === undefined || covered < end) {
    throw new SutureError(
      'UNSUPPORTED',
      `the code between ${hex(start)} and ${hex(end)} is not one private r-x range, so it cannot be exchanged in one step`,
      { remedy: 'restart the program with the fixed file' },
    );
  }
  return named;
}

/** The bytes [start, start + current.length) as they are to be, from what they are. */
export function merged(current: Uint8Array, start: Remote, changes: readonly EntryChange[]): Uint8Array {
  const bytes = current.slice();
  for (const { at, replacement } of changes) bytes.set(replacement, Number(at - start));
  return bytes;
}

/** Throws UNSAFE when the target's bytes are not the expected ones: somebody else changed them since the plan. */
export function requireExpected(
  changes: readonly EntryChange[],
  read: (at: Remote, size: number) => Uint8Array,
): void {
  for (const { at, expected, name } of changes) {
    if (!sameBytes(read(at, expected.length), expected)) {
      throw new SutureError('UNSAFE', `the entry of ${name} at ${hex(at)} changed since it was looked at`, {
        remedy: 'run the command again; if it stays, another tool is changing this program',
      });
    }
  }
}

/** Whether every entry has its new bytes. */
export function isDone(
  changes: readonly EntryChange[],
  read: (at: Remote, size: number) => Uint8Array,
): boolean {
  return changes.every(({ at, replacement }) => sameBytes(read(at, replacement.length), replacement));
}

export function inverse(changes: readonly EntryChange[]): EntryChange[] {
  return changes.map(({ at, expected, replacement, name }) => ({
    at,
    expected: replacement,
    replacement: expected,
    name,
  }));
}

/** Runs of bytes in which `wanted` differs from `present`, page by page, so that untouched pages stay shared. */
export function* differingPages(
  wanted: Uint8Array,
  present: Uint8Array,
  start: Remote,
  pageSize: number,
): Generator<{ at: Remote; bytes: Uint8Array }> {
  for (let offset = 0; offset < wanted.length; offset += pageSize) {
    const bytes = wanted.subarray(offset, offset + pageSize);
    if (!sameBytes(bytes, present.subarray(offset, offset + pageSize)))
      yield { at: plus(start, offset), bytes };
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
