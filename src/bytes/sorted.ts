/** Sorted 64-bit columns: a radix sort that yields an order, and binary search. */

/**
 * Indices of `keys` in ascending order of key; equal keys keep their order. Linear: digits of 16 bits, the ones that
 * all keys share cost one pass of counting. (Digits are read from memory as a little-endian host stores them.)
 */
export function sortedOrder(keys: BigUint64Array): Uint32Array {
  const count = keys.length;
  const digits = new Uint16Array(keys.buffer, keys.byteOffset, count * 4);
  let order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  let next = new Uint32Array(count);
  const starts = new Uint32Array(0x10000);
  for (let digit = 0; digit < 4; digit++) {
    starts.fill(0);
    for (let i = digit; i < digits.length; i += 4) starts[digits[i]!]!++;
    if (count === 0 || starts[digits[digit]!] === count) continue;
    let sum = 0;
    for (let value = 0; value < starts.length; value++) {
      const here = starts[value]!;
      starts[value] = sum;
      sum += here;
    }
    for (let i = 0; i < count; i++) {
      const index = order[i]!;
      next[starts[digits[index * 4 + digit]!]!++] = index;
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
