/** "1 function", "2 functions". */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** A time of microseconds in the unit that suits it: "412 µs", "1.38 ms", "2.1 s". */
export function duration(microseconds: number): string {
  if (microseconds < 1000) return `${Math.round(microseconds)} µs`;
  if (microseconds < 1_000_000) return `${(microseconds / 1000).toFixed(microseconds < 100_000 ? 2 : 0)} ms`;
  return `${(microseconds / 1_000_000).toFixed(1)} s`;
}

/** Bytes in the unit that suits them: "812 bytes", "4.0 KiB". */
export function size(bytes: number): string {
  if (bytes < 1024) return counted(bytes, 'byte');
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** The start of a build id, enough for a person to tell two apart. */
export const shortId = (buildId: string): string => buildId.slice(0, 12);

/** A list for a sentence: the first few, and how many more there are. */
export function listed(names: readonly string[], most = 6): string {
  if (names.length <= most) return names.join(', ');
  return `${names.slice(0, most - 1).join(', ')} and ${names.length - most + 1} more`;
}
