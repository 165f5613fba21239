import { closeSync, readSync, writeSync } from 'node:fs';
import { SutureError } from '../base/errors.ts';
import { kill, SIGKILL } from '../sys/signals.ts';
import { pipe, spawn } from '../sys/spawn.ts';
import { __WALL, waitFor } from '../sys/wait.ts';
import { remoteCall } from './remote-call.ts';
import { stopAll } from './stop.ts';
import type { Stopped } from './stopped.ts';
import { Target } from './target.ts';

/** After so many rounds a stop costs what it will cost. */
const ROUNDS = 8;
const STACK_BYTES = 1024;

export interface Rehearsal {
  readonly milliseconds: number;
  /** Stops that went through; 0 if the rehearsal failed, which leaves the code cold and nothing worse. */
  readonly rounds: number;
}

/**
 * Goes through a stop and a call on a child of our own, so that the code is compiled before a stop that counts.
 * `withStopped` is called in each round while the child stands still, for the caller's own part of a stop.
 */
export function rehearse(withStopped?: (stopped: Stopped) => void): Rehearsal {
  const startedNs = process.hrtime.bigint();
  let done = 0;
  try {
    done = withChild((pid) => rounds(pid, withStopped));
  } catch (error) {
    // The real stop will say what is wrong, with the real process.
    if (!(error instanceof SutureError)) throw error;
  }
  return { milliseconds: Number(process.hrtime.bigint() - startedNs) / 1e6, rounds: done };
}

/** Runs `work` on a process that waits in a read. It ends with us: then its input does. */
function withChild<T>(work: (pid: number) => T): T {
  const input = pipe();
  const output = pipe();
  const descriptors = [
    { from: input.reading, to: 0 },
    { from: output.writing, to: 1 },
  ];
  let child: number | undefined;
  try {
    child = spawn({ file: '/bin/cat', argv: ['cat'], descriptors });
    // What comes back shows that its libraries are loaded.
    writeSync(input.writing, 'x');
    readSync(output.reading, new Uint8Array(1));
    return work(child);
  } finally {
    for (const end of [input.reading, input.writing, output.reading, output.writing]) closeSync(end);
    if (child !== undefined) {
      kill(child, SIGKILL);
      waitFor(child, __WALL);
    }
  }
}

function rounds(pid: number, withStopped?: (stopped: Stopped) => void): number {
  const target = Target.open(pid);
  try {
    const call = { kind: 'syscall', number: target.arch.syscall.numbers.getpid, args: [] } as const;
    remoteCall(target, [call]);
    let done = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const stopped = stopAll(target, { collectDeadlineMs: 100 });
      if ('kind' in stopped) continue;
      using _ = stopped;
      stopped.readStacks(STACK_BYTES);
      stopped.call([call]);
      withStopped?.(stopped);
      done++;
    }
    return done;
  } finally {
    target.close();
  }
}
