/**
 * Lines two sequences up by elements that occur once in both: patience diff, without the slow part. What lies between
 * anchors and is not unique stays unpaired; the result serves as evidence, not as an edit script.
 */

/** Pairs of indexes (left, right), ascending in both. */
export function anchors(left: Int32Array, right: Int32Array): [number, number][] {
  const pairs: [number, number][] = [];
  const work: [number, number, number, number][] = [[0, left.length, 0, right.length]];
  while (work.length > 0) {
    let [a, aEnd, b, bEnd] = work.pop()!;
    while (a < aEnd && b < bEnd && left[a] === right[b]) pairs.push([a++, b++]);
    while (a < aEnd && b < bEnd && left[aEnd - 1] === right[bEnd - 1]) pairs.push([--aEnd, --bEnd]);
    if (a === aEnd || b === bEnd) continue;
    const chain = increasing(uniquePairs(left, right, a, aEnd, b, bEnd));
    let fromA = a;
    let fromB = b;
    for (const [x, y] of chain) {
      pairs.push([x, y]);
      if (x > fromA && y > fromB) work.push([fromA, x, fromB, y]);
      fromA = x + 1;
      fromB = y + 1;
    }
    if (chain.length > 0 && aEnd > fromA && bEnd > fromB) work.push([fromA, aEnd, fromB, bEnd]);
  }
  return pairs.sort((x, y) => x[0] - y[0]);
}

function uniquePairs(
  left: Int32Array,
  right: Int32Array,
  a: number,
  aEnd: number,
  b: number,
  bEnd: number,
): [number, number][] {
  const seen = new Map<number, { left: number; right: number }>();
  for (let i = a; i < aEnd; i++) {
    const entry = seen.get(left[i]!);
    if (entry === undefined) seen.set(left[i]!, { left: i, right: -1 });
    else entry.left = -2;
  }
  for (let j = b; j < bEnd; j++) {
    const entry = seen.get(right[j]!);
    if (entry !== undefined) entry.right = entry.right === -1 ? j : -2;
  }
  const found: [number, number][] = [];
  for (const entry of seen.values())
    if (entry.left >= 0 && entry.right >= 0) found.push([entry.left, entry.right]);
  return found.sort((x, y) => x[0] - y[0]);
}

/** The longest subsequence whose right indexes ascend. */
function increasing(pairs: readonly [number, number][]): [number, number][] {
  const tails: number[] = [];
  const before = new Int32Array(pairs.length).fill(-1);
  for (let i = 0; i < pairs.length; i++) {
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pairs[tails[middle]!]![1] < pairs[i]![1]) low = middle + 1;
      else high = middle;
    }
    if (low > 0) before[i] = tails[low - 1]!;
    tails[low] = i;
  }
  const chain: [number, number][] = [];
  for (let i = tails.at(-1) ?? -1; i >= 0; i = before[i]!) chain.push(pairs[i]!);
  return chain.reverse();
}
