import { closeSync, readSync, writeSync } from 'node:fs';
import { SutureError } from '../base/errors.ts';
import { kill, SIGKILL } from '../sys/signals.ts';
import { pipe, spawn } from '../sys/spawn.ts';
import { __WALL, waitFor } from '../sys/wait.ts';
import { Target } from './target.ts';

/**
 * Runs `work` on a child of our own that waits in a read, so that code is compiled, and knows what values it meets, before
 * it runs where it counts. What a SutureError ends leaves the code cold and nothing worse: the real run will say what is
 * wrong, with the real process.
 */
export function onChild(work: (target: Target) => void): void {
  try {
    withChild((pid) => {
      const target = Target.open(pid);
      try {
        work(target);
      } finally {
        target.close();
      }
    });
  } catch (error) {
    if (!(error instanceof SutureError)) throw error;
  }
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
