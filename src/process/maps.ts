/** /proc/PID/maps, see proc(5). */
import { type Remote, remote } from '../bytes/address.ts';

export interface Mapping {
  readonly start: Remote;
  readonly end: Remote;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly shared: boolean;
  /** Offset in the file of the first byte. */
  readonly fileOffset: number;
  /** "major:minor" in hexadecimal, as the kernel writes it. */
  readonly device: string;
  /** 0 for memory without a file. */
  readonly inode: number;
  /** Path in the mount namespace of the target, "[vdso]" and the like, or "". */
  readonly path: string;
  /** The file that was mapped has no name any more. */
  readonly deleted: boolean;
}

const LINE = /^([0-9a-f]+)-([0-9a-f]+) (.)(.)(.)(.) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/;
const DELETED = ' (deleted)';

/** Mappings in ascending order. Lines of another form are left out. */
export const parseMaps = (text: string): Mapping[] => [...mappingsByLine(text).values()];

/**
 * The same, by line. Lines that are in `before` too keep their mapping: what was learnt of it is still true, and most of
 * a process's lines never change.
 */
export function mappingsByLine(
  text: string,
  before: ReadonlyMap<string, Mapping> = new Map(),
): Map<string, Mapping> {
  const mappings = new Map<string, Mapping>();
  for (const line of text.split('\n')) {
    const known = before.get(line);
    if (known !== undefined) {
      mappings.set(line, known);
      continue;
    }
    const fields = LINE.exec(line);
    if (fields === null) continue;
    const [, start, end, read, write, execute, shared, offset, device, inode, name] =
      fields as unknown as string[];
    const deleted = name!.endsWith(DELETED);
    mappings.set(line, {
      start: remote(BigInt(`0x${start}`)),
      end: remote(BigInt(`0x${end}`)),
      read: read === 'r',
      write: write === 'w',
      execute: execute === 'x',
      shared: shared === 's',
      fileOffset: Number.parseInt(offset!, 16),
      device: device!,
      inode: Number(inode),
      // The kernel escapes only the newline.
      path: (deleted ? name!.slice(0, -DELETED.length) : name!).replaceAll('\\012', '\n'),
      deleted,
    });
  }
  return mappings;
}

/** The mapping that holds `at`, found by bisection of a list in ascending order. */
export function mappingAt(mappings: readonly Mapping[], at: bigint): Mapping | undefined {
  const index = indexAt(mappings, at);
  return index < 0 ? undefined : mappings[index];
}

/** Index of the mapping that holds `at`, or -1. */
export function indexAt(mappings: readonly Mapping[], at: bigint): number {
  let low = 0;
  let high = mappings.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (mappings[middle]!.end <= at) low = middle + 1;
    else high = middle;
  }
  return low < mappings.length && mappings[low]!.start <= at ? low : -1;
}
