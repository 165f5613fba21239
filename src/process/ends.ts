/**
 * The ends of threads that would keep us from seizing others.
 *
 * A thread that calls execve holds a lock of its process, on which PTRACE_SEIZE waits, until all other threads are gone;
 * and one that we trace is gone when we have taken its end, which we cannot while we wait for the lock. Neither side
 * ever goes on: we would hang, and the process with us. No other call that we make waits for it, and this one goes on
 * waiting after any signal. So the handler of the alarm that comes then takes the ends.
 */
import { handleAlarmWith, interruptAfter } from '../sys/alarm.ts';
import { NativeMemory } from '../sys/library.ts';
import { threadIds } from '../sys/procfs.ts';
import type { Target } from './target.ts';
import { deadlineIn } from './tracee.ts';

/** A seize takes microseconds; one that is still not done after so long waits for that lock, or for a processor. */
const PATIENCE_MS = 20;
/** More threads than this are seized at the same risk as before. */
const CAPACITY = 32768;

let table: NativeMemory | undefined;

/** While threads are seized in `work`, the ends of those that are there now are taken if it comes to a halt. */
export function takingEnds<T>(target: Target, work: () => T): T {
  const { endTaker } = target.arch.syscall;
  // The end of the first thread is not waited for by execve, and may have to be taken by the parent.
  const others = threadIds(target.pid).filter((tid) => tid !== target.pid);
  if (endTaker === undefined || others.length === 0) return work();
  if (table === undefined) {
    table = new NativeMemory((CAPACITY + 1) * 4);
    handleAlarmWith(endTaker(BigInt(table.address)));
  }
  const { view } = table;
  const listed = others.slice(0, CAPACITY);
  view.setUint32(listed.length * 4, 0, true);
  for (let i = listed.length - 1; i >= 0; i--) view.setUint32(i * 4, listed[i]!, true);
  using _ = interruptAfter(deadlineIn(PATIENCE_MS));
  try {
    return work();
  } finally {
    view.setUint32(0, 0, true);
  }
}
