import { closeSync } from 'node:fs';
import { SutureError } from '../base/errors.ts';
import { kill, SIGKILL } from '../sys/signals.ts';
import { pipe, spawn } from '../sys/spawn.ts';
import { __WALL, waitFor } from '../sys/wait.ts';
import { remoteCall } from './remote-call.ts';
import { stopAll } from './stop.ts';
import type { Stopped } from './stopped.ts';
import { Target } from './target.ts';

/** After so many rounds a stop costs what it will cost. */
const ROUNDS = 12;
const STACK_BYTES = 1024;

/**
 * Goes through a stop and a call on a child of our own, so that the code is compiled before a stop that counts.
 * `withStopped` is called in each round while the child stands still, for the caller's own part of a stop.
 * Returns the milliseconds spent. Never throws for the child's sake: a rehearsal that fails leaves the code cold.
 */
export function rehearse(withStopped?: (stopped: Stopped) => void): number {
  const startedNs = process.hrtime.bigint();
  // cat ends when the other end of its pipe is closed, also by our death.
  const { reading, writing } = pipe();
  let child: number | undefined;
  try {
    child = spawn({ file: '/bin/cat', argv: ['cat'], descriptors: [{ from: reading, to: 0 }] });
    rounds(child, withStopped);
  } catch (error) {
    // The real stop will say what is wrong, with the real process.
    if (!(error instanceof SutureError)) throw error;
  } finally {
    closeSync(reading);
    closeSync(writing);
    if (child !== undefined) {
      kill(child, SIGKILL);
      waitFor(child, __WALL);
    }
  }
  return Number(process.hrtime.bigint() - startedNs) / 1e6;
}

function rounds(pid: number, withStopped?: (stopped: Stopped) => void): void {
  const target = Target.open(pid);
  try {
    const call = { kind: 'syscall', number: target.arch.syscall.numbers.getpid, args: [] } as const;
    remoteCall(target, [call]);
    for (let round = 0; round < ROUNDS; round++) {
      const stopped = stopAll(target, { collectDeadlineMs: 100 });
      if ('kind' in stopped) continue;
      using _ = stopped;
      stopped.readStacks(STACK_BYTES);
      stopped.call([call]);
      withStopped?.(stopped);
    }
  } finally {
    target.close();
  }
}
