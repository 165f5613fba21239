/** Code in the target with which a thread makes system calls and restores itself. */
import type { SyscallFacts } from '../arch/arch.ts';
import { plus, type Remote } from '../bytes/address.ts';
import type { Mapping } from './maps.ts';
import type { Target } from './target.ts';

export interface Ways {
  /** Address of a system call that a return follows. */
  readonly gadget: Remote;
  /** Words that lead from that return to rt_sigreturn; see SigreturnPath. */
  readonly returnWords: readonly bigint[];
}

/** More code than this is searched in pieces that overlap. */
const PIECE = 4 << 20;
const C_LIBRARY = /\/(libc[.-]|ld-musl)/;

/** Offsets of the byte sequences in a file's mapping, shared by all targets. -1: not there. */
const known = new Map<string, number[]>();

/** Looks through the target's executable memory; undefined if it lacks what is needed. */
export function findWays(target: Target, mappings: readonly Mapping[]): Ways | undefined {
  const facts = target.arch.syscall;
  const sequences = [facts.gadget, ...facts.sigreturnPaths.flatMap((path) => path.code)];
  const addresses: (Remote | undefined)[] = sequences.map(() => undefined);
  for (const mapping of inOrderOfPromise(mappings)) {
    searchMapping(target, mapping, sequences).forEach((offset, index) => {
      if (offset >= 0) addresses[index] ??= plus(mapping.start, offset);
    });
    const ways = assemble(facts, addresses, 1);
    if (ways !== undefined) return ways;
  }
  return assemble(facts, addresses, facts.sigreturnPaths.length);
}

/** The first of the first `count` paths of which everything was found; the later ones are for want of better. */
function assemble(
  facts: SyscallFacts,
  addresses: readonly (Remote | undefined)[],
  count: number,
): Ways | undefined {
  const gadget = addresses[0];
  if (gadget === undefined) return undefined;
  let next = 1;
  for (const path of facts.sigreturnPaths.slice(0, count)) {
    const found = addresses.slice(next, next + path.code.length);
    next += path.code.length;
    if (found.every((address) => address !== undefined))
      return { gadget, returnWords: path.words(found, gadget) };
  }
  return undefined;
}

/** The C library has all in most programs; small mappings cost little. */
function inOrderOfPromise(mappings: readonly Mapping[]): Mapping[] {
  const cost = (mapping: Mapping): number =>
    C_LIBRARY.test(mapping.path) ? 0 : Number(mapping.end - mapping.start);
  return mappings
    .filter((mapping) => mapping.execute && Number.isSafeInteger(Number(mapping.end)))
    .sort((one, other) => cost(one) - cost(other));
}

/** Offset of each sequence in the mapping, or -1. What is known of the file is checked against this target's memory. */
function searchMapping(target: Target, mapping: Mapping, sequences: readonly Uint8Array[]): number[] {
  const { device, inode, fileOffset, start, end } = mapping;
  const key = `${device} ${inode} ${fileOffset} ${end - start} ${target.arch.name}`;
  const before = inode === 0 ? undefined : known.get(key);
  const holds = (offset: number, index: number): boolean =>
    offset < 0 ||
    same(target.memory.tryRead(plus(start, offset), sequences[index]!.length), sequences[index]!);
  if (before?.every(holds)) return before;
  const { offsets, isComplete } = search(target, mapping, sequences);
  // What a process lacks because it was ending must not be held against others that have the file mapped.
  if (inode !== 0 && isComplete) known.set(key, offsets);
  return offsets;
}

function search(
  target: Target,
  mapping: Mapping,
  sequences: readonly Uint8Array[],
): { readonly offsets: number[]; readonly isComplete: boolean } {
  const alignment = target.arch.syscall.instructionAlignment;
  const size = Number(mapping.end - mapping.start);
  const overlap = Math.max(...sequences.map((sequence) => sequence.length)) - 1;
  const offsets = sequences.map(() => -1);
  let isComplete = true;
  for (let at = 0; at < size && offsets.includes(-1); at += PIECE) {
    const piece = target.memory.tryRead(plus(mapping.start, at), Math.min(size - at, PIECE + overlap));
    if (piece === undefined) {
      isComplete = false;
      continue;
    }
    const haystack = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    sequences.forEach((sequence, index) => {
      if (offsets[index] !== -1) return;
      let found = haystack.indexOf(sequence);
      // Bytes across two instructions are not the code that they look like.
      while (found > 0 && found % alignment !== 0) found = haystack.indexOf(sequence, found + 1);
      if (found >= 0) offsets[index] = at + found;
    });
  }
  return { offsets, isComplete };
}

const same = (one: Uint8Array | undefined, other: Uint8Array): boolean =>
  one !== undefined && Buffer.compare(one, other) === 0;
