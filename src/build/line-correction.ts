/**
 * Keeps the numbers of unchanged lines. A fix that adds a line shifts `__LINE__` and the debug lines of everything
 * below it, and with them the code of functions that it does not touch. The patched text therefore gets `#line`
 * directives after each hunk that changes the number of lines.
 */
import { diffArrays } from 'diff';
import { directivePlaces } from './directive-places.ts';
import { presumedLines } from './presumed-lines.ts';

export interface Correction {
  readonly text: string;
  /** Directives put in. */
  readonly directives: number;
  /** Lines that could not keep their number because no directive may stand before them. */
  readonly shifted: number;
}

/**
 * Puts directives into `patched` so that every line it shares with `original` is compiled under its old number, from
 * the first line below each hunk before which a directive may stand. Both texts hold one character per byte.
 */
export function correctLines(original: string, patched: string): Correction {
  const oldLines = original.split('\n');
  const newLines = patched.split('\n');
  const numbers = presumedLines(oldLines);
  const counterparts = unchangedLines(oldLines, newLines);
  const places = directivePlaces(newLines);
  slideToPlaces(counterparts, oldLines, newLines, places);
  const corrected: string[] = [];
  let directives = 0;
  let shifted = 0;
  /** What the compiler would call the line at hand; undefined: unknown. */
  let presumed: number | undefined = 1;
  for (const [index, line] of newLines.entries()) {
    const counterpart = counterparts[index];
    const wanted = counterpart === undefined ? undefined : numbers[counterpart];
    const isEnd = index === newLines.length - 1 && line === '';
    if (wanted !== undefined && wanted !== presumed && presumed !== undefined && wanted > 0 && !isEnd) {
      if (places[index] === true) {
        corrected.push(`#line ${wanted}${line.endsWith('\r') ? '\r' : ''}`);
        directives++;
        presumed = wanted;
      } else shifted++;
    }
    corrected.push(line);
    presumed = afterLine(line, presumed, counterpart === undefined ? undefined : numbers[counterpart + 1]);
  }
  return { text: corrected.join('\n'), directives, shifted };
}

/** Number of the next line. A directive of the file's own sets it, as it did in the original. */
function afterLine(
  line: string,
  presumed: number | undefined,
  original: number | undefined,
): number | undefined {
  const stated = /^\s*#\s*(?:line\s+(\S+)|(\d+)\s+")/.exec(line);
  if (stated !== null) {
    const number = Number(stated[1] ?? stated[2]);
    return Number.isInteger(number) ? number : undefined;
  }
  if (presumed === undefined) return original;
  return presumed + 1;
}

/** For each line of `after`, the index of the same line in `before`; undefined for lines that are new. */
function unchangedLines(before: readonly string[], after: readonly string[]): (number | undefined)[] {
  const counterparts: (number | undefined)[] = new Array(after.length).fill(undefined);
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) {
    counterparts[head] = head;
    head++;
  }
  let tail = 0;
  const most = Math.min(before.length, after.length) - head;
  while (tail < most && before[before.length - 1 - tail] === after[after.length - 1 - tail]) {
    counterparts[after.length - 1 - tail] = before.length - 1 - tail;
    tail++;
  }
  let oldIndex = head;
  let newIndex = head;
  for (const change of diffArrays(
    before.slice(head, before.length - tail),
    after.slice(head, after.length - tail),
  )) {
    if (change.added) newIndex += change.count;
    else if (change.removed) oldIndex += change.count;
    else for (let i = 0; i < change.count; i++) counterparts[newIndex++] = oldIndex++;
  }
  return counterparts;
}

/**
 * Of a change between equal lines it cannot be said where it begins: a new function with a comment before it may as
 * well begin in the middle of the comment, if the next one's comment has the same first line. Where the lines after a
 * change begin inside something, the change is slid up to where a directive may stand.
 */
function slideToPlaces(
  counterparts: (number | undefined)[],
  before: readonly string[],
  after: readonly string[],
  places: readonly boolean[],
): void {
  for (let index = 1; index < after.length; index++) {
    const counterpart = counterparts[index];
    if (counterpart === undefined || places[index] === true) continue;
    if (counterparts[index - 1] === counterpart - 1) continue;
    let distance = 1;
    while (distance <= counterpart && before[counterpart - distance] === after[index - distance]) {
      if (places[index - distance] === true) {
        slide(counterparts, index, counterpart, distance);
        break;
      }
      distance++;
    }
  }
}

/** Gives the `distance` lines above `index` the lines above `counterpart`, and takes those from whoever had them. */
function slide(
  counterparts: (number | undefined)[],
  index: number,
  counterpart: number,
  distance: number,
): void {
  const first = counterpart - distance;
  for (let above = index - 1; above >= 0; above--) {
    const taken = counterparts[above];
    if (above >= index - distance) counterparts[above] = counterpart - (index - above);
    else if (taken !== undefined && taken < first) break;
    else counterparts[above] = undefined;
  }
}
