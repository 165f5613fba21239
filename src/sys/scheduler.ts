/** Scheduling of the calling thread: sched_setscheduler(2), nanosleep(2). */
import { SystemError } from './errno.ts';
import { cFunction, errno, NativeMemory } from './library.ts';

const getscheduler = cFunction('sched_getscheduler', 'int', ['int']);
const getparam = cFunction('sched_getparam', 'int', ['int', 'uintptr_t']);
const setscheduler = cFunction('sched_setscheduler', 'int', ['int', 'int', 'uintptr_t']);
const usleepNative = cFunction('usleep', 'int', ['uint']);

const SCHED_FIFO = 1;
/** Children start with the ordinary policy. */
const SCHED_RESET_ON_FORK = 0x40000000;
const parameter = NativeMemory.lazily(8);

let isOrdinary = false;

/**
 * While `work` runs, no thread is put before others: what only rehearses must not keep a busy thread of the target, or
 * of anybody else, from its processor for as long as all of it takes.
 */
export function atOrdinaryPriority<T>(work: () => T): T {
  const before = isOrdinary;
  isOrdinary = true;
  try {
    return work();
  } finally {
    isOrdinary = before;
  }
}

/**
 * Puts the calling thread before all ordinary ones: those that a stop wakes would otherwise preempt the tracer.
 * Returns how to put it back, or undefined where that is not allowed (CAP_SYS_NICE, RLIMIT_RTPRIO), already so, or not
 * wanted (atOrdinaryPriority).
 */
export function raisePriority(): (() => void) | undefined {
  if (isOrdinary) return undefined;
  const memory = parameter();
  const policy = getscheduler(0);
  if (policy < 0 || getparam(0, memory.address) < 0) return undefined;
  const priority = memory.view.getInt32(0, true);
  if ((policy & ~SCHED_RESET_ON_FORK) === SCHED_FIFO) return undefined;
  memory.view.setInt32(0, 1, true);
  if (setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, memory.address) < 0) return undefined;
  return () => {
    memory.view.setInt32(0, priority, true);
    if (setscheduler(0, policy, memory.address) < 0) throw new SystemError('sched_setscheduler', errno());
  };
}

/** Sleeps without returning to the event loop. */
export function sleepMicroseconds(microseconds: number): void {
  usleepNative(Math.max(1, Math.min(999_999, Math.round(microseconds))));
}
