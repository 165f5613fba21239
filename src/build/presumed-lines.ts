/**
 * The number that the compiler gives to each line: its place in the file, unless the file has `#line` directives of its
 * own, as generated sources do. C17 6.10.4, "Line control".
 */

/**
 * @returns for each line (split at '\n') its number, or undefined where that depends on a condition or on a macro
 */
export function presumedLines(lines: readonly string[]): (number | undefined)[] {
  let next: number | undefined = 1;
  let depth = 0;
  let doubtAt: number | undefined;
  return lines.map((line) => {
    const number = next;
    if (next !== undefined) next++;
    if (!/^\s*#/.test(line)) return number;
    if (/^\s*#\s*if/.test(line)) depth++;
    else if (/^\s*#\s*endif/.test(line)) {
      depth--;
      // A directive that may or may not have counted leaves doubt from the end of its condition on.
      if (doubtAt !== undefined && depth < doubtAt) {
        doubtAt = undefined;
        next = undefined;
      }
    } else if (/^\s*#\s*line\b|^\s*#\s*\d/.test(line)) {
      const stated = /^\s*#\s*(?:line\s+)?(\d+)/.exec(line);
      next = stated === null ? undefined : Number(stated[1]);
      if (depth > 0) doubtAt = Math.min(doubtAt ?? depth, depth);
    }
    return number;
  });
}
