/** Searching much memory for few addresses. */

/** Bytes of an address. */
export const WORD = 8;

/**
 * Offsets of the aligned 64-bit words whose upper half is one of `halves`. Addresses that are looked for share few upper
 * halves, and comparing those is all that is done for most words. Little-endian, as target and host are.
 */
export function wordsWithUpperHalf(bytes: Uint8Array, halves: readonly number[]): number[] {
  const aligned = bytes.byteOffset % WORD === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, (aligned.length & -WORD) / 4);
  const found: number[] = [];
  for (const half of halves) {
    for (let i = 1; i < words.length; i += 2) if (words[i] === half) found.push((i - 1) * 4);
  }
  return found;
}
