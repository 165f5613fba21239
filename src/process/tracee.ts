/** One traced thread: from its asked-for stop to its release. */
import { SutureError } from '../base/errors.ts';
import { interruptAfter } from '../sys/alarm.ts';
import { parseStatus, readProc } from '../sys/procfs.ts';
import {
  cont,
  detach,
  getEventMessage,
  interrupt,
  PTRACE_EVENT_CLONE,
  PTRACE_EVENT_EXEC,
  PTRACE_EVENT_STOP,
} from '../sys/ptrace.ts';
import { SIGTRAP, STOPPING_SIGNALS } from '../sys/signals.ts';
import { __WALL, type WaitStatus, WNOHANG, waitFor } from '../sys/wait.ts';
import type { Target } from './target.ts';

/** What a report of waitpid means for a thread that was interrupted. */
export type Advance =
  /** It stands where we asked it to: its registers may be read and replaced. */
  | { readonly kind: 'stopped' }
  /** Likewise, and SIGSTOP or the like holds the whole process; it stays so when we detach. */
  | { readonly kind: 'group-stopped'; readonly signal: number }
  | { readonly kind: 'gone' }
  /** It runs on and will report again. `born`: a new thread, which is traced already and reports by itself. */
  | { readonly kind: 'again'; readonly born?: number }
  | { readonly kind: 'nothing' }
  /** Another program took the process over. */
  | { readonly kind: 'exec' };

/** The status word of the stop that was asked for: nearly every report is this one. */
export const STOP_WORD = (PTRACE_EVENT_STOP << 16) | (SIGTRAP << 8) | 0x7f;

const STOPPED: Advance = { kind: 'stopped' };
const AGAIN: Advance = { kind: 'again' };
const GONE: Advance = { kind: 'gone' };
const NOTHING: Advance = { kind: 'nothing' };
const EXEC: Advance = { kind: 'exec' };

/**
 * Takes the thread one report further towards its stop. A signal on its way is delivered at once: the kernel sets up
 * the handler's frame, and the stop that was asked for comes before the handler's first instruction. So no signal has
 * to be kept, and the order is the kernel's.
 */
export function advance(status: WaitStatus): Advance {
  switch (status.kind) {
    case 'nothing':
      return NOTHING;
    case 'exited':
    case 'killed':
    case 'no-child':
      return GONE;
    case 'stopped':
      break;
  }
  const { tid, event, signal } = status;
  switch (event) {
    case PTRACE_EVENT_STOP:
      return STOPPING_SIGNALS.has(signal) ? { kind: 'group-stopped', signal } : STOPPED;
    case PTRACE_EVENT_EXEC:
      return EXEC;
    case PTRACE_EVENT_CLONE: {
      const born = getEventMessage(tid);
      cont(tid);
      return { kind: 'again', born };
    }
    default:
      cont(tid, event === 0 && !status.syscall ? signal : 0);
      return AGAIN;
  }
}

export const deadlineIn = (milliseconds: number): bigint =>
  process.hrtime.bigint() + BigInt(Math.round(milliseconds * 1e6));

/**
 * The next report of one thread, or undefined when the deadline passes. The caller has armed `interruptAfter` with this
 * deadline.
 */
export function nextReport(tid: number, deadlineNs: bigint): WaitStatus | undefined {
  for (;;) {
    const status = waitFor(tid, __WALL);
    if (status.kind !== 'nothing') return status;
    if (process.hrtime.bigint() >= deadlineNs) return undefined;
  }
}

/** Takes an interrupted thread to its stop. 'nothing' means that the deadline passed. */
export function collect(tid: number, deadlineNs: bigint): Advance {
  using _ = interruptAfter(deadlineNs);
  for (;;) {
    const status = nextReport(tid, deadlineNs);
    if (status === undefined) return NOTHING;
    const step = advance(status);
    if (step.kind !== 'again') return step;
  }
}

/**
 * Threads that are still traced although we are done with them: they did not stop in time, or died while they were
 * held. Whoever traces a thread must take its stops and its end, so these are looked after until they are free.
 */
const lingering = new Set<number>();
let timer: NodeJS.Timeout | undefined;

/** Leaves a thread that cannot be detached now to be detached as soon as it stops. */
export function leaveLingering(tid: number): void {
  lingering.add(tid);
  settleLingering();
  schedule();
}

/** Takes a thread back from the lingering ones; true if it was one, and so is traced by us already. */
export const reclaim = (tid: number): boolean => lingering.delete(tid);

/** Lets go of every lingering thread that has stopped by now. Also done every millisecond by a timer. */
export function settleLingering(): void {
  for (const tid of lingering) {
    const status = waitFor(tid, WNOHANG | __WALL);
    if (status.kind === 'nothing') continue;
    if (status.kind !== 'stopped') lingering.delete(tid);
    else if (release(tid, status.event === 0 && !status.syscall ? status.signal : 0)) lingering.delete(tid);
  }
}

function release(tid: number, signal: number): boolean {
  try {
    return detach(tid, signal);
  } catch (error) {
    if (error instanceof SutureError) return false;
    throw error;
  }
}

function schedule(): void {
  if (timer !== undefined || lingering.size === 0) return;
  timer = setTimeout(() => {
    timer = undefined;
    settleLingering();
    schedule();
  }, 1);
  // When we exit, the kernel detaches them.
  timer.unref();
}

/**
 * Lets go of the thread that began another program and goes on under the id of the process: whoever traced it before
 * traces it still, under an id of which nobody thinks. Nothing to do for a process that executes its program.
 */
export function releaseHeir({ pid, memory }: Target): void {
  if (memory.inUse() || lingering.has(pid) || !isTracedByUs(pid, pid)) return;
  interrupt(pid);
  leaveLingering(pid);
}

/** The tracer that the kernel names is a thread of ours, not necessarily the first. */
export function isTracedByUs(pid: number, tid: number): boolean {
  const text = readProc(`${pid}/task/${tid}/status`);
  const tracer = text === undefined ? undefined : readProc(`${parseStatus(text).TracerPid}/status`);
  return tracer !== undefined && parseStatus(tracer).Tgid === process.pid;
}

/** Detaches a stopped thread; one that was killed meanwhile is left to be reaped. */
export function letGo(tid: number): void {
  if (!detach(tid)) leaveLingering(tid);
}
