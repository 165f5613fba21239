import type { Progress } from '../base/progress.ts';
import type { Stream } from './terminal.ts';

/** Progress that a command shows and, at its end, takes off the screen. */
export interface ShownProgress extends Progress, Disposable {}

/** One line for each step and warning; for logs and pipes. Repeated reports of one step are one line. */
export function plainProgress(stream: Stream, verbose: boolean): ShownProgress {
  let last = '';
  return {
    step(name, _done, total) {
      if (name === last) return;
      last = name;
      stream.write(`${name}${total === undefined ? '' : ` (${total})`}\n`);
    },
    note(text) {
      if (verbose) stream.write(`${text}\n`);
    },
    warn(text) {
      stream.write(`warning: ${text}\n`);
    },
    [Symbol.dispose]() {},
  };
}

/** A bar on a terminal: drawn when a step has a count, gone when the command ends. */
export async function barProgress(stream: Stream, verbose: boolean): Promise<ShownProgress> {
  const { default: progress } = await import('cli-progress');
  let bar: InstanceType<typeof progress.SingleBar> | undefined;
  let last = '';
  const stop = () => {
    bar?.stop();
    bar = undefined;
  };
  /** Writes a line above the bar. */
  const line = (text: string) => {
    stop();
    stream.write(`${text}\n`);
  };
  return {
    step(name, done, total) {
      if (name !== last) stop();
      last = name;
      if (total === undefined) {
        stream.write(`\r\x1b[2K${stream.paint.dim(name)}\r`);
        return;
      }
      if (bar === undefined) {
        bar = new progress.SingleBar({
          format: `{step} {bar} {value}/{total}`,
          barCompleteChar: '█',
          barIncompleteChar: '░',
          barsize: 24,
          clearOnComplete: true,
          linewrap: false,
          gracefulExit: false,
          stream: process.stderr,
        });
        bar.start(total, done ?? 0, { step: name });
      } else {
        bar.setTotal(total);
        bar.update(done ?? 0, { step: name });
      }
    },
    note(text) {
      if (verbose) line(text);
    },
    warn(text) {
      line(`${stream.paint.yellow('warning:')} ${text}`);
    },
    [Symbol.dispose]() {
      stop();
      stream.write('\r\x1b[2K');
    },
  };
}
