/** proc(5): the text files of one process. Readers answer undefined when the process or thread is gone. */
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { EACCES, EINVAL, ENOENT, EPERM, ESRCH, errnoOf, SystemError } from './errno.ts';

/** Text of /proc/`path`. Throws NO_PERMISSION; undefined if there is no such file or its process is gone. */
export function readProc(path: string): string | undefined {
  return whilePresent(path, () => contentOf(path).toString('latin1'));
}

/** Bytes of /proc/`path`, as readProc. */
export function readProcBytes(path: string): Uint8Array | undefined {
  return whilePresent(path, () => new Uint8Array(contentOf(path)));
}

/** Read into again and again: the kernel tells no size of these files, and most are short. Grows with the longest. */
let room = Buffer.alloc(1 << 16);

/** Bytes of /proc/`path`, good until the next call. */
function contentOf(path: string): Buffer {
  const descriptor = openSync(`/proc/${path}`, 'r');
  try {
    for (let length = 0; ; ) {
      if (length === room.length) room = Buffer.concat([room], 2 * room.length);
      const got = readSync(descriptor, room, length, room.length - length, null);
      if (got === 0) return room.subarray(0, length);
      length += got;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Target of the link /proc/`path`, as readProc. */
export function readProcLink(path: string): string | undefined {
  return whilePresent(path, () => readlinkSync(`/proc/${path}`));
}

/** Thread ids of a process, in ascending order; empty if it is gone. */
export function threadIds(pid: number): number[] {
  return (whilePresent(`${pid}/task`, () => readdirSync(`/proc/${pid}/task`)) ?? []).map(Number);
}

function whilePresent<T>(path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const errno = errnoOf(error);
    // EINVAL: readlink of the exe of a process that is exiting.
    if (errno === ENOENT || errno === ESRCH || errno === EINVAL) return undefined;
    if (errno === EACCES || errno === EPERM) throw new SystemError(`/proc/${path}`, errno);
    throw error;
  }
}

/** The fields of /proc/PID/status that this program asks for, spelled as there. */
export interface ProcessStatus {
  readonly Name: string;
  /** One letter: R S D T t Z X I. */
  readonly State: string;
  readonly Tgid: number;
  readonly PPid: number;
  readonly TracerPid: number;
  readonly Uid: readonly number[];
  /** Pids from our pid namespace inward. */
  readonly NSpid: readonly number[];
  /** 0 none, 1 strict, 2 filter. */
  readonly Seccomp: number;
  /** Names of CPU features that threads switched on, e.g. shstk. */
  readonly threadFeatures: readonly string[];
}

export function parseStatus(text: string): ProcessStatus {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const words = (name: string): string[] =>
    (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
  const number = (name: string): number => Number(fields.get(name) ?? 0);
  return {
    Name: fields.get('Name') ?? '',
    State: (fields.get('State') ?? '').slice(0, 1),
    Tgid: number('Tgid'),
    PPid: number('PPid'),
    TracerPid: number('TracerPid'),
    Uid: words('Uid').map(Number),
    NSpid: words('NSpid').map(Number),
    Seccomp: number('Seccomp'),
    threadFeatures: words('x86_Thread_features'),
  };
}

/** The fields of /proc/PID/stat that `status` lacks. */
export interface ProcessStat {
  readonly comm: string;
  readonly state: string;
  /** PF_* bits. */
  readonly flags: number;
  /** Clock ticks after boot. */
  readonly startTime: bigint;
}

export function parseStat(text: string): ProcessStat {
  // comm stands in parentheses and may hold any character, parentheses and spaces too.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const rest = text.slice(close + 2).split(' ');
  return {
    comm: text.slice(open + 1, close),
    state: rest[0] ?? '',
    flags: Number(rest[6] ?? 0),
    startTime: BigInt(rest[19] ?? 0),
  };
}

/** Where a thread is, as /proc/PID/task/TID/syscall tells. */
export type ThreadActivity =
  | { readonly kind: 'running' }
  | { readonly kind: 'in-call'; readonly number: number }
  /** In the kernel, but not in a system call: preempted or in a page fault. */
  | { readonly kind: 'elsewhere' };

export function parseActivity(text: string): ThreadActivity {
  const word = text.trim().split(' ')[0] ?? '';
  if (word === 'running') return { kind: 'running' };
  const number = Number(word);
  return word === '' || number < 0 ? { kind: 'elsewhere' } : { kind: 'in-call', number };
}
