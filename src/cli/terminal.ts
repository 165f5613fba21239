import { writeSync } from 'node:fs';
import { type Paint, paintOf } from '../report/paint.ts';

/** One of the two output streams of the command. */
export interface Stream {
  readonly isTerminal: boolean;
  readonly paint: Paint;
  write(text: string): void;
}

/** Colours only on a terminal that can show them, and never when the user said no. https://no-color.org */
export function wantsColour(isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  const refused = env.NO_COLOR !== undefined && env.NO_COLOR !== '';
  return isTerminal && !refused && env.TERM !== 'dumb';
}

/**
 * A stream on a file descriptor. It writes at once: what was said before the tool is killed has been said, and a
 * reader that went away (`suture status | head -1`) ends the command quietly.
 */
export function openStream(descriptor: 1 | 2, isTerminal: boolean, env: NodeJS.ProcessEnv): Stream {
  return {
    isTerminal,
    paint: paintOf(wantsColour(isTerminal, env)),
    write: (text) => writeAll(descriptor, Buffer.from(text)),
  };
}

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(descriptor, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit(process.exitCode ?? 0);
      // A pipe that another program made non-blocking and that is full now.
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
