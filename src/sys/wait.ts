/** waitpid(2) with its status decoded. */
import { ECHILD, EINTR, SystemError } from './errno.ts';
import { cFunction, errno, NativeMemory } from './library.ts';

const waitpid = cFunction('waitpid', 'int', ['int', 'uintptr_t', 'int']);

// bits/waitflags.h
export const WNOHANG = 1;
/** Also report children that are stopped without being traced. */
export const WUNTRACED = 2;
/** Only children and tracees of the calling thread. */
export const __WNOTHREAD = 0x20000000;
/** Also wait for children that were cloned without SIGCHLD: every thread but the first. */
export const __WALL = 0x40000000;

export type WaitStatus =
  | { readonly kind: 'exited'; readonly tid: number; readonly code: number }
  | { readonly kind: 'killed'; readonly tid: number; readonly signal: number }
  /** `event`: a PTRACE_EVENT_* number, 0 for a signal. `syscall`: a stop at a system call (PTRACE_O_TRACESYSGOOD). */
  | {
      readonly kind: 'stopped';
      readonly tid: number;
      readonly signal: number;
      readonly event: number;
      readonly syscall: boolean;
    }
  /** WNOHANG and nothing to report, or a signal of ours interrupted the call. */
  | { readonly kind: 'nothing' }
  /** No such child or tracee (ECHILD). */
  | { readonly kind: 'no-child' };

const NOTHING: WaitStatus = { kind: 'nothing' };
const NO_CHILD: WaitStatus = { kind: 'no-child' };
const status = NativeMemory.lazily(8);

/** Waits for `tid` (-1: any). Any errno but ECHILD and EINTR is a defect of the call and throws. */
export function waitFor(tid: number, flags: number): WaitStatus {
  const memory = status();
  const found = waitpid(tid, memory.address, flags);
  if (found === 0) return NOTHING;
  if (found < 0) {
    const failure = errno();
    if (failure === ECHILD) return NO_CHILD;
    if (failure === EINTR) return NOTHING;
    throw new SystemError(`waitpid(${tid})`, failure);
  }
  return decodeStatus(found, memory.view.getUint32(0, true));
}

/** What `waitForWord` answers instead of a status. */
export const NO_REPORT = -1;
export const NO_SUCH_CHILD = -2;

/** As waitFor of one `tid`, without making an object: the status word for `decodeStatus`, or one of the two above. */
export function waitForWord(tid: number, flags: number): number {
  const memory = status();
  const found = waitpid(tid, memory.address, flags);
  if (found > 0) return memory.view.getInt32(0, true);
  if (found === 0) return NO_REPORT;
  const failure = errno();
  if (failure === ECHILD) return NO_SUCH_CHILD;
  if (failure === EINTR) return NO_REPORT;
  throw new SystemError(`waitpid(${tid})`, failure);
}

/** wait(2): the low seven bits are the signal that killed, 0 for an exit, 0x7f for a stop. ptrace(2): the event stands above bit 16. */
export function decodeStatus(tid: number, word: number): WaitStatus {
  const low = word & 0x7f;
  if (low === 0) return { kind: 'exited', tid, code: (word >> 8) & 0xff };
  if (low !== 0x7f) return { kind: 'killed', tid, signal: low };
  const signal = (word >> 8) & 0xff;
  return {
    kind: 'stopped',
    tid,
    signal: signal & 0x7f,
    event: word >> 16,
    syscall: (signal & 0x80) !== 0,
  };
}
