/** Open descriptors of a process, as proc(5) tells of them. */
import { readdirSync } from 'node:fs';
import { readProc } from '../sys/procfs.ts';
import type { Target } from './target.ts';

/** O_ACCMODE: how a file was opened; 0 is O_RDONLY. */
const ACCESS_MODE = 3n;

/** Descriptors that were opened for reading only and with all of `flags` (open(2)). PROCESS_GONE. */
export function readersWith(target: Target, flags: bigint): number[] {
  const { pid } = target;
  let names: string[];
  try {
    names = readdirSync(`/proc/${pid}/fdinfo`);
  } catch {
    throw target.gone();
  }
  return names.flatMap((name) => {
    // proc_pid_fdinfo(5): in octal; gone if it was closed meanwhile.
    const text = /^flags:\s+([0-7]+)$/m.exec(readProc(`${pid}/fdinfo/${name}`) ?? '')?.[1];
    const opened = BigInt(`0o${text ?? '1'}`);
    return (opened & ACCESS_MODE) === 0n && (opened & flags) === flags ? [Number(name)] : [];
  });
}
