/** Which processes cannot be worked on, found without touching them. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Arch } from '../arch/arch.ts';
import { archOfMachine } from '../arch/index.ts';
import { SutureError } from '../base/errors.ts';
import { viewOf } from '../bytes/record.ts';
import { EACCES, EPERM, errnoOf } from '../sys/errno.ts';
import { shareMemory } from '../sys/kcmp.ts';
import { type ProcessStat, type ProcessStatus, parseStat, parseStatus, readProc } from '../sys/procfs.ts';

/** include/linux/sched.h: the process is a thread of the kernel. */
const PF_KTHREAD = 0x0020_0000;
// gABI ch. 4, "ELF Identification", and e_machine behind e_ident and e_type
const EI_CLASS = 4;
const ELFCLASS64 = 2;
const E_MACHINE = 18;

export interface Vitals {
  readonly status: ProcessStatus;
  readonly stat: ProcessStat;
}

/** What /proc says about the process now, or undefined if it is gone. */
export function vitalsOf(pid: number): Vitals | undefined {
  const status = readProc(`${pid}/status`);
  const stat = readProc(`${pid}/stat`);
  return status === undefined || stat === undefined
    ? undefined
    : { status: parseStatus(status), stat: parseStat(stat) };
}

/**
 * Throws NO_PROCESS or PROCESS_UNFIT if `pid` is no process that can be worked on: missing, a thread, ourselves, the
 * kernel's, ended, stopped, or traced.
 */
export function requireFit(pid: number): Vitals {
  if (!Number.isInteger(pid) || pid <= 0) {
    throw new SutureError('NO_PROCESS', `${pid} is not a process id`);
  }
  const vitals = vitalsOf(pid);
  if (vitals === undefined) {
    throw new SutureError('NO_PROCESS', `there is no process ${pid}`, {
      remedy: 'look up the process id again; the process may have ended',
    });
  }
  const { status, stat } = vitals;
  if (status.Tgid !== pid) {
    throw new SutureError('NO_PROCESS', `${pid} is a thread of process ${status.Tgid}`, {
      remedy: `give the process id ${status.Tgid}`,
    });
  }
  if (pid === process.pid) throw unfit(vitals, 'is suture itself', 'choose another process');
  if ((stat.flags & PF_KTHREAD) !== 0)
    throw unfit(vitals, 'is a thread of the kernel', 'choose another process');
  if (status.TracerPid !== 0) {
    const tracer = readProc(`${status.TracerPid}/comm`)?.trim() ?? 'unknown';
    throw unfit(
      vitals,
      `is traced by process ${status.TracerPid} (${tracer})`,
      `end ${tracer} or let it detach`,
    );
  }
  switch (status.State) {
    case 'Z':
    case 'X':
      throw unfit(vitals, 'has ended, or its first thread has', 'choose another process');
    case 'T':
      throw unfit(vitals, 'is stopped by a signal', `resume it: kill -CONT ${pid}`);
    default:
      return vitals;
  }
}

/** The CPU of the program that the process executes. NO_PERMISSION, PROCESS_UNFIT for 32-bit and unknown CPUs. */
export function archOf(pid: number, vitals: Vitals): Arch {
  const header = new Uint8Array(20);
  let got = 0;
  try {
    const descriptor = openSync(`/proc/${pid}/exe`, 'r');
    try {
      got = readSync(descriptor, header, 0, header.length, 0);
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === EACCES || errno === EPERM) throw noPermission(pid, cause);
    throw new SutureError('NO_PROCESS', `process ${pid} has no program: it is ending`, { cause });
  }
  if (got < header.length || header[EI_CLASS] !== ELFCLASS64) {
    throw unfit(vitals, 'is a 32-bit process', 'only 64-bit processes can be patched');
  }
  const machine = viewOf(header).getUint16(E_MACHINE, true);
  const arch = archOfMachine(machine);
  if (arch === undefined) {
    throw unfit(
      vitals,
      `runs code of a CPU that suture does not know (e_machine ${machine})`,
      'see README.md for the CPUs',
    );
  }
  return arch;
}

/**
 * Throws PROCESS_UNFIT for the child of a vfork that has not begun a program of its own: a change in its memory would
 * be one in its parent's, at whose threads nobody would have looked.
 */
export function requireOwnMemory(pid: number, arch: Arch, vitals: Vitals): void {
  const { PPid } = vitals.status;
  if (PPid === 0 || !shareMemory(arch.syscall.numbers.kcmp, pid, PPid)) return;
  throw unfit(vitals, `runs in the memory of its parent ${PPid}`, `choose process ${PPid}`);
}

export function noPermission(pid: number, cause?: unknown): SutureError {
  return new SutureError('NO_PERMISSION', `process ${pid} may not be traced by this user`, {
    remedy: 'run suture as root, or give it CAP_SYS_PTRACE; see also /proc/sys/kernel/yama/ptrace_scope',
    cause,
  });
}

/** "process 12 (nginx) is traced by process 40 (gdb)" */
function unfit({ status }: Vitals, what: string, remedy: string): SutureError {
  return new SutureError('PROCESS_UNFIT', `process ${status.Tgid} (${status.Name}) ${what}`, { remedy });
}
