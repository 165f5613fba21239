import { type Remote, remote } from '../bytes/address.ts';

/** Half-open range of code in the target. */
export interface CodeRange {
  readonly start: Remote;
  readonly end: Remote;
}

/** A word of a stack that may be an address in one of the ranges. */
export interface Candidate<R extends CodeRange> {
  /** Where the word is. */
  readonly at: Remote;
  /** The word itself, authentication bits removed. */
  readonly value: Remote;
  readonly range: R;
}

/**
 * Looks at every aligned word of stack memory for addresses in `ranges`. It finds return addresses that no unwinder
 * can reach, interrupted pcs in signal frames and saved contexts of coroutines; it also finds stale ones: conservative,
 * for questions in which "maybe" has to count as "yes".
 *
 * A return address is behind a call, so that it can equal a range's end and only by accident its start: a word counts
 * when it is above `start` and at most `end`, and a range's start counts too when `includeStart` is set (a thread or a
 * context that is about to enter the function).
 *
 * @param bytes stack memory that begins at `at`, which need not be aligned
 * @param authenticationMask bits that are no part of an address (aarch64: NT_ARM_PAC_MASK)
 */
export function scanWords<R extends CodeRange>(
  bytes: Uint8Array,
  at: Remote,
  ranges: readonly R[],
  options: { readonly includeStart?: boolean; readonly authenticationMask?: bigint } = {},
): Candidate<R>[] {
  const sorted = ranges.filter(({ start, end }) => start < end).sort((a, b) => (a.start < b.start ? -1 : 1));
  const found: Candidate<R>[] = [];
  if (sorted.length === 0) return found;
  const keep = BigInt.asUintN(64, ~(options.authenticationMask ?? 0n));
  const keepHigh = Number(keep >> 32n);
  const keepLow = Number(keep & 0xffff_ffffn);
  // As numbers, which addresses below 2^53 are exactly: nearly every word is rejected without making a bigint.
  const lowest = Number(sorted[0]!.start);
  const highest = sorted.reduce((most, { end }) => Math.max(most, Number(end)), 0);
  const first = Number(BigInt.asUintN(3, -at));
  const halves = halvesOf(bytes, first);
  const lowestHigh = Math.floor(lowest / 0x1_0000_0000);
  const highestHigh = Math.floor(highest / 0x1_0000_0000);
  for (let i = 1; i < halves.length; i += 2) {
    const high = (halves[i]! & keepHigh) >>> 0;
    if (high < lowestHigh || high > highestHigh) continue;
    const low = (halves[i - 1]! & keepLow) >>> 0;
    const rough = high * 0x1_0000_0000 + low;
    if (rough < lowest || rough > highest) continue;
    const value = (BigInt(high) << 32n) | BigInt(low);
    for (const range of sorted) {
      if (value < range.start) break;
      if (value > range.end || (value === range.start && options.includeStart !== true)) continue;
      found.push({ at: remote(at + BigInt(first + (i - 1) * 4)), value: remote(value), range });
    }
  }
  return found;
}

const CHUNK = 1 << 20;

/**
 * scanWords over [from, to) of the target, read in pieces. Pages that cannot be read hold no stack: they are passed,
 * and counted in `unreadable` (bytes).
 */
export function scanStack<R extends CodeRange>(
  readMemory: (at: Remote, size: number) => Uint8Array | undefined,
  from: Remote,
  to: Remote,
  ranges: readonly R[],
  options: {
    readonly includeStart?: boolean;
    readonly authenticationMask?: bigint;
    readonly pageSize: number;
  },
): { readonly candidates: Candidate<R>[]; readonly unreadable: number } {
  const candidates: Candidate<R>[] = [];
  let unreadable = 0;
  const read = (at: bigint, size: number): void => {
    const bytes = readMemory(remote(at), size);
    if (bytes !== undefined) {
      candidates.push(...scanWords(bytes, remote(at), ranges, options));
    } else if (size <= options.pageSize) {
      unreadable += size;
    } else {
      for (let done = 0; done < size; ) {
        const untilPage = options.pageSize - Number((at + BigInt(done)) % BigInt(options.pageSize));
        const piece = Math.min(untilPage, size - done);
        read(at + BigInt(done), piece);
        done += piece;
      }
    }
  };
  const start = (from + 7n) & ~7n;
  for (let at = start; at < to; ) {
    const size = Number(to - at < BigInt(CHUNK) ? to - at : BigInt(CHUNK));
    read(at, size);
    at += BigInt(size);
  }
  return { candidates, unreadable };
}

/** The whole words from `first` on, as 32-bit halves, the lower first; typed arrays are read faster than a DataView. */
function halvesOf(bytes: Uint8Array, first: number): Uint32Array {
  const words = Math.max(0, (bytes.length - first) >> 3);
  const at = bytes.byteOffset + first;
  if (at % Uint32Array.BYTES_PER_ELEMENT === 0) return new Uint32Array(bytes.buffer, at, words * 2);
  return new Uint32Array(bytes.slice(first, first + words * 8).buffer);
}
