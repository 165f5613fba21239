/** VmFlags of a mapping, by /proc/PID/smaps; see proc(5). */
import type { Remote } from '../bytes/address.ts';
import { readProc } from '../sys/procfs.ts';

const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) /;
const FLAGS = /^VmFlags: (.*)$/;

/** Two-letter words of the mapping that holds `at`; none if there is no such mapping, or the kernel tells none. */
export const vmFlagsAt = (pid: number, at: Remote): readonly string[] =>
  vmFlagsIn(readProc(`${pid}/smaps`) ?? '', at);

export function vmFlagsIn(smaps: string, at: Remote): readonly string[] {
  let isWanted = false;
  for (const line of smaps.split('\n')) {
    const [, start, end] = MAPPING.exec(line) ?? [];
    if (start !== undefined && end !== undefined)
      isWanted = at >= BigInt(`0x${start}`) && at < BigInt(`0x${end}`);
    const flags = isWanted ? FLAGS.exec(line)?.[1] : undefined;
    if (flags !== undefined) return flags.trim().split(/\s+/);
  }
  return [];
}
