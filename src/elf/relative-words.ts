/**
 * The words that relative relocations fill, which need no symbol: an executable has them by the hundred thousand, so
 * they stay in columns.
 */
import { lastAtMost, sortedOrder } from '../bytes/sorted.ts';
import { Rela } from './layout.ts';

/** In halves of words. */
const ENTRY = Rela.size / 4;
const { offset: PLACE, type: TYPE, addend: ADDEND } = Rela.offsets;

export class RelativeWords {
  /** Link-time addresses, ascending. */
  readonly #places: BigUint64Array;
  readonly #addends: BigInt64Array;

  private constructor(places: BigUint64Array, addends: BigInt64Array) {
    this.#places = places;
    this.#addends = addends;
  }

  /** Of a table of whole Elf64_Rela entries, those of the given type. */
  static of(table: Uint8Array, type: number): RelativeWords {
    const aligned = table.byteOffset % 4 === 0 ? table : table.slice();
    const halves = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
    const most = Math.floor(halves.length / ENTRY);
    const places = new BigUint64Array(most);
    const addends = new BigInt64Array(most);
    const placeHalves = new Uint32Array(places.buffer);
    const addendHalves = new Uint32Array(addends.buffer);
    let count = 0;
    let isAscending = true;
    for (let entry = 0; entry + ENTRY <= halves.length; entry += ENTRY) {
      if (halves[entry + TYPE / 4] !== type) continue;
      const to = 2 * count++;
      const low = halves[entry + PLACE / 4]!;
      const high = halves[entry + PLACE / 4 + 1]!;
      const highBefore = to === 0 ? 0 : placeHalves[to - 1]!;
      if (high < highBefore || (high === highBefore && to > 0 && low < placeHalves[to - 2]!))
        isAscending = false;
      placeHalves[to] = low;
      placeHalves[to + 1] = high;
      addendHalves[to] = halves[entry + ADDEND / 4]!;
      addendHalves[to + 1] = halves[entry + ADDEND / 4 + 1]!;
    }
    const [used, values] = [places.slice(0, count), addends.slice(0, count)];
    if (isAscending) return new RelativeWords(used, values);
    const order = sortedOrder(used);
    return new RelativeWords(
      BigUint64Array.from(order, (index) => used[index]!),
      BigInt64Array.from(order, (index) => values[index]!),
    );
  }

  /** What the relocation of the word at this link-time address adds to the load bias; undefined if it has none. */
  addendAt(place: bigint): bigint | undefined {
    const index = lastAtMost(this.#places, place);
    return index >= 0 && this.#places[index] === place ? this.#addends[index] : undefined;
  }
}
