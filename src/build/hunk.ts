/** Finds where each hunk of a diff belongs, so that it can be said how far it moved, or which line does not fit. */
import type { StructuredPatchHunk } from 'diff';

export interface Fit {
  /** The hunks with `oldStart` where they fit exactly; those that fit nowhere exactly are as before, if the file has that line. */
  readonly hunks: StructuredPatchHunk[];
  /** Lines by which each hunk moved, beyond what the ones before it moved; undefined: no exact place. */
  readonly offsets: readonly (number | undefined)[];
  /** The first hunk without an exact place. */
  readonly failure: HunkFailure | undefined;
}

export interface HunkFailure {
  /** From 0. */
  readonly hunk: number;
  /** Line of the file, from 1. */
  readonly line: number;
  readonly expected: string;
  readonly found: string | undefined;
}

/** Looks for each hunk at its line, shifted as the one before it was, then further and further away on either side. */
export function fitHunks(text: string, hunks: readonly StructuredPatchHunk[]): Fit {
  const lines = text.split('\n').map(withoutReturn);
  const fitted: StructuredPatchHunk[] = [];
  const offsets: (number | undefined)[] = [];
  let failure: HunkFailure | undefined;
  let shift = 0;
  let from = 0;
  for (const [index, hunk] of hunks.entries()) {
    const old = hunk.lines.filter((line) => !/^[+\\]/.test(line)).map((line) => withoutReturn(line.slice(1)));
    // No line that a diff says is believed to be in the file: a search from there might never get back.
    const expected = Math.min(Math.max(from, hunk.oldStart - 1 + shift), lines.length);
    const place = nearestPlace(lines, old, expected, from);
    if (place === undefined) {
      failure ??= firstMismatch(lines, old, expected, index);
      fitted.push({ ...hunk, oldStart: Math.min(hunk.oldStart, lines.length) });
      offsets.push(undefined);
      continue;
    }
    offsets.push(place - (hunk.oldStart - 1) - shift);
    shift = place - (hunk.oldStart - 1);
    from = place + old.length;
    fitted.push({ ...hunk, oldStart: place + 1 });
  }
  return { hunks: fitted, offsets, failure };
}

function nearestPlace(
  lines: readonly string[],
  old: readonly string[],
  expected: number,
  from: number,
): number | undefined {
  const last = lines.length - old.length;
  const fits = (at: number): boolean =>
    at >= from && at <= last && old.every((line, i) => lines[at + i] === line);
  for (let away = 0; expected - away >= from || expected + away <= last; away++) {
    if (fits(expected - away)) return expected - away;
    if (fits(expected + away)) return expected + away;
  }
  return undefined;
}

/** Compares at the place, near the expected one, where most lines agree. */
function firstMismatch(
  lines: readonly string[],
  old: readonly string[],
  expected: number,
  hunk: number,
): HunkFailure {
  let best = expected;
  let most = -1;
  for (let at = Math.max(0, expected - NEAR); at <= expected + NEAR; at++) {
    const same = old.reduce((count, line, i) => count + (lines[at + i] === line ? 1 : 0), 0);
    if (same > most || (same === most && Math.abs(at - expected) < Math.abs(best - expected))) {
      most = same;
      best = at;
    }
  }
  const differs = old.findIndex((line, i) => lines[best + i] !== line);
  const i = Math.max(differs, 0);
  return { hunk, line: best + i + 1, expected: old[i] ?? '', found: lines[best + i] };
}

/** Lines on either side among which the best match for a message is looked for. */
const NEAR = 200;

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
