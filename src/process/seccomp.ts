import { SutureError } from '../base/errors.ts';
import { parseStatus, readProc } from '../sys/procfs.ts';
import { PTRACE_O_SUSPEND_SECCOMP, setOptions } from '../sys/ptrace.ts';
import type { Target } from './target.ts';

/**
 * Switches the seccomp filter of a stopped thread off if it has one; a filter could kill the process for a call that
 * is not the program's. Returns how to switch it on again, which also the end of tracing does. `options`: the thread's
 * other PTRACE_O_*. Throws PROCESS_UNFIT if the filter cannot be suspended (it takes CAP_SYS_ADMIN, and a tracer that
 * is itself free of seccomp).
 */
export function suspendSeccomp(target: Target, tid: number, options: number): () => void {
  const text = readProc(`${target.pid}/task/${tid}/status`);
  if (text === undefined) throw target.gone();
  if (parseStatus(text).Seccomp === 0) return () => {};
  try {
    setOptions(tid, options | PTRACE_O_SUSPEND_SECCOMP);
  } catch (cause) {
    if (!(cause instanceof SutureError)) throw cause;
    throw new SutureError(
      'PROCESS_UNFIT',
      `process ${target.pid} (${target.comm}) has a seccomp filter that may kill it, and it cannot be suspended`,
      { remedy: 'run suture as root in the first user namespace, outside of containers', cause },
    );
  }
  return () => {
    try {
      setOptions(tid, options);
    } catch (error) {
      // A thread that is gone, or runs, has no options to change; the end of tracing clears them.
      if (!(error instanceof SutureError && error.code === 'PROCESS_GONE')) throw error;
    }
  };
}
