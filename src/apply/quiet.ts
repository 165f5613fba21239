/**
 * Threads that are proved to be out of the way without being unwound. A thread that is in a range, or will return into
 * one, has an address of it in a register or in a word of its stack; so one of which no register and no word leads
 * there is safe, whatever its frames are. Most threads of most processes are like that, and a look at their words
 * costs a fraction of a walk. A word that does lead there proves nothing (it may be stale): those threads are walked.
 */
import type { Remote } from '../bytes/address.ts';

/** Addresses of programs have no more bits; those above may authenticate a pointer (aarch64) and are not looked at. */
const ADDRESS_BITS = 48;
const HIGH_HALF = 0xffff;

/** Ranges of code as columns of numbers, for a look at many words that makes no object. */
export class CodeWords {
  /** By ascending start. */
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #lowestHigh: number;
  readonly #highestHigh: number;

  constructor(ranges: readonly { readonly start: Remote; readonly end: Remote }[]) {
    const sorted = ranges
      .filter(({ start, end }) => start < end)
      .sort((a, b) => (a.start < b.start ? -1 : 1));
    this.#starts = Float64Array.from(sorted, ({ start }) => Number(start));
    this.#ends = Float64Array.from(sorted, ({ end }) => Number(end));
    const isBeyond = sorted.some(({ end }) => end >= 1n << BigInt(ADDRESS_BITS));
    const highest = sorted.reduce((most, { end }) => Math.max(most, Number(end)), 0);
    const lowest = sorted.length === 0 ? Number.POSITIVE_INFINITY : this.#starts[0]!;
    this.#lowestHigh = isBeyond ? 0 : Math.floor(lowest / 0x1_0000_0000);
    this.#highestHigh = isBeyond ? HIGH_HALF : Math.floor(highest / 0x1_0000_0000);
    if (isBeyond) {
      // No word can be told from such addresses: every one counts.
      this.#starts = Float64Array.of(0);
      this.#ends = Float64Array.of(Number.POSITIVE_INFINITY);
    }
  }

  /**
   * Whether one of the words leads into a range, its first byte and the one behind its last included.
   *
   * @param halves 32-bit halves of 64-bit words, the lower first
   */
  anyLeadsIn(halves: Uint32Array, from: number, to: number): boolean {
    const lowestHigh = this.#lowestHigh;
    const highestHigh = this.#highestHigh;
    for (let i = from + 1; i < to; i += 2) {
      const high = halves[i]! & HIGH_HALF;
      if (high < lowestHigh || high > highestHigh) continue;
      if (this.#holds(high * 0x1_0000_0000 + halves[i - 1]!)) return true;
    }
    return false;
  }

  #holds(value: number): boolean {
    const starts = this.#starts;
    const ends = this.#ends;
    for (let i = 0; i < starts.length && starts[i]! <= value; i++) if (value <= ends[i]!) return true;
    return false;
  }
}
