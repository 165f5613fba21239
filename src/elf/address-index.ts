import { lastAtMost, sortedOrder } from '../bytes/sorted.ts';

/** Half-open address ranges that may nest and overlap, by address. */
export class AddressIndex {
  readonly #starts: BigUint64Array;
  /** Largest end of this range and all ranges before it: tells where a backward search can stop. */
  readonly #reach: BigUint64Array;
  readonly #ends: BigUint64Array;
  readonly #ids: Uint32Array;

  /** `ids[i]` names the range [starts[i], ends[i]). */
  constructor(ids: Uint32Array, starts: BigUint64Array, ends: BigUint64Array) {
    const order = sortedOrder(starts);
    const count = order.length;
    this.#ids = new Uint32Array(count);
    this.#starts = new BigUint64Array(count);
    this.#ends = new BigUint64Array(count);
    this.#reach = new BigUint64Array(count);
    let reach = 0n;
    for (let i = 0; i < count; i++) {
      const from = order[i]!;
      this.#ids[i] = ids[from]!;
      this.#starts[i] = starts[from]!;
      this.#ends[i] = ends[from]!;
      if (ends[from]! > reach) reach = ends[from]!;
      this.#reach[i] = reach;
    }
  }

  /** Ids of the ranges that contain `address` and share the nearest start; empty if none does. */
  nearest(address: bigint): number[] {
    const found: number[] = [];
    let start: bigint | undefined;
    for (let i = lastAtMost(this.#starts, address); i >= 0 && this.#reach[i]! > address; i--) {
      if (start !== undefined && this.#starts[i] !== start) break;
      if (this.#ends[i]! <= address) continue;
      start = this.#starts[i]!;
      found.push(this.#ids[i]!);
    }
    return found.reverse();
  }
}
