/**
 * Whether a program still refers to what a patch brought along: a string in a structure, a new function in a table of
 * callbacks, the address of a new variable. Code that has been taken back makes no new ones, but those that it made
 * live on in the program's data, and memory that they lead to must not go.
 */
import { plus, type Remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { WORD, wordsWithUpperHalf } from '../bytes/words.ts';
import type { Region } from './region.ts';
import type { MappingView, TryRead } from './view.ts';

export type References =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly at: Remote; readonly region: Region }
  /** There is more memory than is searched. */
  | { readonly kind: 'unknown' };

/** Bytes that hold anything, on all pages together. */
const SEARCH_LIMIT = 1n << 30n;
const CHUNK = 1 << 20;

/**
 * Searches the program's writable memory for the first word that leads into data, constants or to the start of a
 * function of one of `regions`. Stack below a stack pointer is dead and passed over. Return addresses do not count:
 * that no thread is in the code is known.
 *
 * @param residentRuns the parts of private memory that were ever written: the rest, gigabytes of it in a hypervisor, is zero
 */
export function findReference(
  regions: readonly Region[],
  maps: readonly MappingView[],
  stackPointers: readonly bigint[],
  tryRead: TryRead,
  residentRuns: (start: Remote, end: Remote) => readonly { readonly start: Remote; readonly end: Remote }[],
): References {
  const wanted = regions.map(targetsIn);
  const ranges = maps.flatMap((m): { start: bigint; end: bigint }[] => {
    if (!m.read || !m.write || regions.some(({ start, end }) => m.start < end && m.end > start)) return [];
    const lowest = stackPointers
      .filter((sp) => sp >= m.start && sp < m.end)
      .reduce<bigint | undefined>((low, sp) => (low === undefined || sp < low ? sp : low), undefined);
    const from = lowest === undefined ? m.start : lowest & -BigInt(WORD);
    // Others may have written what is not in this process's part of shared memory.
    const runs = m.shared ? [m] : residentRuns(m.start, m.end);
    return runs.flatMap(({ start, end }) =>
      end <= from ? [] : [{ start: start < from ? from : start, end }],
    );
  });
  if (ranges.reduce((sum, { start, end }) => sum + (end - start), 0n) > SEARCH_LIMIT)
    return { kind: 'unknown' };
  const halves = [...new Set(wanted.flatMap(({ upperHalves }) => upperHalves))];
  for (const { start, end } of ranges) {
    for (let at = start; at < end; at += BigInt(CHUNK)) {
      const size = Number(end - at < BigInt(CHUNK) ? end - at : BigInt(CHUNK));
      const bytes = tryRead(at as Remote, size);
      // Device memory and pages beyond a file's end cannot be read, and hold no pointers.
      if (bytes === undefined) continue;
      const view = viewOf(bytes);
      for (const offset of wordsWithUpperHalf(bytes, halves)) {
        const value = view.getBigUint64(offset, true);
        const hit = wanted.find((targets) => targets.includes(value));
        if (hit !== undefined) return { kind: 'found', at: plus(at as Remote, offset), region: hit.region };
      }
    }
  }
  return { kind: 'none' };
}

interface Targets {
  readonly region: Region;
  readonly upperHalves: readonly number[];
  readonly includes: Includes;
}

type Includes = (value: bigint) => boolean;

function targetsIn(region: Region): Targets {
  const { start, end, state, manifest, added } = region;
  const upperHalves: number[] = [];
  for (let half = start >> 32n; half <= end >> 32n; half++) upperHalves.push(Number(half));
  const includes =
    state === undefined
      ? isInForeign(region, added ?? [])
      : isInOwn(region, state, manifest?.functions ?? []);
  return { region, upperHalves, includes };
}

/** A region of LibcarePlus: data, constants and a table of jumps are wherever no function lies. */
function isInForeign({ start, end, functions }: Region, added: NonNullable<Region['added']>): Includes {
  const bodies = [
    ...functions.map(({ replacement, replacementSize }) => ({ start: replacement, size: replacementSize })),
    ...added,
  ];
  return (value) => {
    if (value < start || value >= end) return false;
    const isCode = bodies.some((body) => value >= body.start && value < body.start + BigInt(body.size));
    return !isCode || added.some((body) => body.start === value);
  };
}

function isInOwn(
  { start, end, code, functions: changedFunctions }: Region,
  state: NonNullable<Region['state']>,
  functions: NonNullable<Region['manifest']>['functions'],
): Includes {
  const rangeAt = (offset: number, size: number) => ({
    start: start + BigInt(offset),
    end: start + BigInt(offset) + BigInt(size),
  });
  const isWithin = (value: bigint, range: { start: bigint; end: bigint }): boolean =>
    value >= range.start && value < range.end;
  const first = changedFunctions[0];
  const changed = functions[first?.record ?? 0];
  const text =
    first === undefined ? code.start : first.replacement - BigInt(changed?.replacement.offset ?? 0);
  const entries = new Set(
    functions
      .filter(({ kind }) => kind === 'new')
      .map(({ replacement }) => text + BigInt(replacement.offset)),
  );
  // The unwinder's own words lead there, and those of exceptions that are long over; the program's never do.
  const unwinding = [
    rangeAt(state.ehFrameOffset, state.ehFrameSize),
    rangeAt(state.exceptTableOffset, state.exceptTableSize),
    rangeAt(state.unwindersOffset, state.unwindersOffset ? Number(end - start) - state.unwindersOffset : 0),
  ];
  const stubs = rangeAt(state.stubsOffset, state.stubsSize);
  return (value) => {
    if (value >= code.end && value < end) return !unwinding.some((range) => isWithin(value, range));
    return entries.has(value) || isWithin(value, stubs);
  };
}
