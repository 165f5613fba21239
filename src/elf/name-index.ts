import { SutureError } from '../base/errors.ts';
import { encodeName, type StringTable } from './strings.ts';

/** FNV-1a over the bytes of the name that starts at `at`; `length` undefined: up to the NUL. */
function hashAt(bytes: Uint8Array, at: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = at; i < end; i++) {
    const byte = bytes[i]!;
    if (byte === 0) break;
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}

/**
 * Entries of a table by name, without decoding a name: a chained hash in two typed arrays. 200,000 symbols take about
 * 20 ms, once. Overlapping names of a hostile table could cost the square of its size: their total is bounded.
 */
export class NameIndex {
  readonly #strings: StringTable;
  readonly #nameOf: (index: number) => number;
  readonly #heads: Int32Array;
  readonly #next: Int32Array;

  /** `nameOf(i)`: offset of the name of entry i in `strings`. */
  constructor(strings: StringTable, count: number, nameOf: (index: number) => number) {
    this.#strings = strings;
    this.#nameOf = nameOf;
    this.#next = new Int32Array(count);
    let buckets = 16;
    while (buckets < count) buckets *= 2;
    this.#heads = new Int32Array(buckets).fill(-1);
    const { bytes } = strings;
    let budget = 8 * bytes.length + 1024 * count;
    // From the back, so that a chain yields entries in the table's order.
    for (let index = count - 1; index >= 0; index--) {
      const name = nameOf(index);
      const end = name === 0 && bytes.length === 0 ? 0 : strings.endOf(name);
      budget -= end - name;
      if (budget < 0) throw new SutureError('BAD_FORMAT', `${strings.what}: names overlap beyond measure`);
      const bucket = hashAt(bytes, name, end) & (buckets - 1);
      this.#next[index] = this.#heads[bucket]!;
      this.#heads[bucket] = index;
    }
  }

  /** Indices of the entries of this name, ascending. */
  find(name: string): number[] {
    const wanted = encodeName(name);
    const found: number[] = [];
    const bucket = hashAt(wanted, 0, wanted.length) & (this.#heads.length - 1);
    for (let index = this.#heads[bucket]!; index >= 0; index = this.#next[index]!) {
      if (this.#strings.equals(this.#nameOf(index), wanted)) found.push(index);
    }
    return found;
  }
}
