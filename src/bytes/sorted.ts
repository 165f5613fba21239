/** Sorted 64-bit columns: a radix sort that yields an order, and binary search. */

/** From so many keys on, digits of 16 bits are worth counting through all of their values. */
const MANY = 1 << 14;

/**
 * Indices of `keys` in ascending order of key; equal keys keep their order. Linear: digits that all keys share cost
 * one pass of counting. (Digits are read from memory as a little-endian host stores them.)
 */
export function sortedOrder(keys: BigUint64Array): Uint32Array {
  const count = keys.length;
  const digits =
    count < MANY
      ? new Uint8Array(keys.buffer, keys.byteOffset, count * 8)
      : new Uint16Array(keys.buffer, keys.byteOffset, count * 4);
  const perKey = 8 / digits.BYTES_PER_ELEMENT;
  let order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  let next = new Uint32Array(count);
  const starts = new Uint32Array(1 << (8 * digits.BYTES_PER_ELEMENT));
  for (let digit = 0; digit < perKey; digit++) {
    starts.fill(0);
    for (let i = digit; i < digits.length; i += perKey) starts[digits[i]!]!++;
    if (count === 0 || starts[digits[digit]!] === count) continue;
    let sum = 0;
    for (let value = 0; value < starts.length; value++) {
      const here = starts[value]!;
      starts[value] = sum;
      sum += here;
    }
    for (let i = 0; i < count; i++) {
      const index = order[i]!;
      next[starts[digits[index * perKey + digit]!]!++] = index;
    }
    [order, next] = [next, order];
  }
  return order;
}

/** Index of the last key that is at most `key`, or -1. `keys` ascend. */
export function lastAtMost(keys: BigUint64Array, key: bigint): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
