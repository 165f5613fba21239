/** Lays two listings side by side, equal lines beside each other. */
export interface Alignable {
  readonly key: string;
  /** Index of the line that this one leads to. */
  readonly jump?: number;
}

export interface AlignedRow {
  /** Indexes; one of them may be missing. */
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly differs: boolean;
}

/** More cells than this are not compared: what lies between equal beginnings and ends then counts as different. */
const MOST_CELLS = 16_000_000;

/** Rows in order; a longest common subsequence by key. Two jumps are equal if they lead to the same row. */
export function align(before: readonly Alignable[], after: readonly Alignable[]): AlignedRow[] {
  const pairs = matched(before, after);
  const rows: { before: number | undefined; after: number | undefined }[] = [];
  let i = 0;
  let j = 0;
  for (const [a, b] of [...pairs, [before.length, after.length] as const]) {
    // What has no equal stands beside whatever took its place.
    while (i < a || j < b) rows.push({ before: i < a ? i++ : undefined, after: j < b ? j++ : undefined });
    if (a < before.length && b < after.length) rows.push({ before: i++, after: j++ });
  }
  const rowOfBefore = new Map(rows.map((row, index) => [row.before, index]));
  const rowOfAfter = new Map(rows.map((row, index) => [row.after, index]));
  return rows.map((row) => {
    const old = row.before === undefined ? undefined : before[row.before];
    const now = row.after === undefined ? undefined : after[row.after];
    const same =
      old !== undefined &&
      now !== undefined &&
      old.key === now.key &&
      (old.jump === undefined) === (now.jump === undefined) &&
      (old.jump === undefined || rowOfBefore.get(old.jump) === rowOfAfter.get(now.jump));
    return { ...row, differs: !same };
  });
}

/** Pairs of indexes of equal lines, both increasing. */
function matched(before: readonly Alignable[], after: readonly Alignable[]): [number, number][] {
  const equal = (i: number, j: number): boolean => before[i]!.key === after[j]!.key;
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && equal(head, head)) head++;
  let tail = 0;
  while (tail < shorter - head && equal(before.length - 1 - tail, after.length - 1 - tail)) tail++;
  const pairs: [number, number][] = Array.from({ length: head }, (_, i) => [i, i]);
  const rows = before.length - head - tail;
  const columns = after.length - head - tail;
  if (rows * columns <= MOST_CELLS) {
    const width = columns + 1;
    const longest = new Uint32Array((rows + 1) * width);
    for (let i = rows - 1; i >= 0; i--)
      for (let j = columns - 1; j >= 0; j--)
        longest[i * width + j] = equal(head + i, head + j)
          ? 1 + longest[(i + 1) * width + j + 1]!
          : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!);
    for (let i = 0, j = 0; i < rows && j < columns; ) {
      if (equal(head + i, head + j)) pairs.push([head + i++, head + j++]);
      else if (longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!) i++;
      else j++;
    }
  }
  for (let i = tail; i > 0; i--) pairs.push([before.length - i, after.length - i]);
  return pairs;
}
