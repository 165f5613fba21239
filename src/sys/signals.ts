/** Signal numbers of Linux (x86, ARM and most others agree), and tgkill(2). */
import { ESRCH, SystemError } from './errno.ts';
import { cFunction, errno } from './library.ts';

export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGSEGV = 11;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGSYS = 31;

/** Signals whose default action stops the process. A PTRACE_EVENT_STOP with one of them is a group stop. */
export const STOPPING_SIGNALS: ReadonlySet<number> = new Set([SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]);
/** Signals that an instruction of the thread itself can raise. */
export const FAULT_SIGNALS: ReadonlySet<number> = new Set([SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS]);

const tgkillNative = cFunction('tgkill', 'int', ['int', 'int', 'int']);
const killNative = cFunction('kill', 'int', ['int', 'int']);

/** Sends `signal` to one thread. False if it is gone. */
export function tgkill(pid: number, tid: number, signal: number): boolean {
  if (tgkillNative(pid, tid, signal) === 0) return true;
  return gone(`tgkill(${pid}, ${tid}, ${signal})`);
}

/** Sends `signal` to a process; 0 only asks whether it is there. False if it is gone. */
export function kill(pid: number, signal: number): boolean {
  if (killNative(pid, signal) === 0) return true;
  return gone(`kill(${pid}, ${signal})`);
}

function gone(call: string): false {
  const failure = errno();
  if (failure === ESRCH) return false;
  throw new SystemError(call, failure);
}

/** The bit of `signal` in a 64-bit signal mask. */
export const signalBit = (signal: number): bigint => 1n << BigInt(signal - 1);
