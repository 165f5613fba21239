import { type ExitCode, SutureError } from '../base/errors.ts';
import type { Paint } from '../report/paint.ts';
import { failureDocument, failureExit, failureText } from './failure.ts';
import { barProgress, plainProgress, type ShownProgress } from './progress.ts';
import { openStream, type Stream } from './terminal.ts';

/** What a command has of the world besides its flags. */
export interface Session {
  readonly json: boolean;
  readonly progress: ShownProgress;
  /** Colours of standard output. */
  readonly paint: Paint;
  /** Columns that a table may take; without a terminal there is no limit. */
  readonly width: number;
  /** The command's one result: a JSON document or the text for a person. */
  result(document: unknown, text: () => string): void;
}

/** Flags that every command has. */
export interface CommonFlags {
  readonly json?: boolean;
  readonly verbose?: boolean;
  /** Folder in which the command works as if started there. */
  readonly C?: string;
}

/** Runs a command's work and says how it ended; whatever goes wrong becomes one message and an exit code. */
export async function inSession(
  flags: CommonFlags,
  work: (session: Session) => Promise<ExitCode>,
): Promise<ExitCode> {
  const json = flags.json === true;
  const err = openStream(2, process.stderr.isTTY === true, process.env);
  const out = openStream(1, process.stdout.isTTY === true, process.env);
  try {
    if (flags.C !== undefined) enter(flags.C);
    using progress = await progressOn(err, flags.verbose === true);
    return await work({
      json,
      progress,
      paint: out.paint,
      width: process.stdout.columns ?? Number.POSITIVE_INFINITY,
      result(document, text) {
        progress[Symbol.dispose]();
        out.write(json ? `${JSON.stringify(document, undefined, 2)}\n` : text());
      },
    });
  } catch (error) {
    if (json) out.write(`${JSON.stringify(failureDocument(error), undefined, 2)}\n`);
    err.write(failureText(error, err.paint));
    return failureExit(error);
  }
}

function enter(folder: string): void {
  try {
    process.chdir(folder);
  } catch (error) {
    throw new SutureError('USAGE', `cannot enter ${folder}: ${(error as Error).message}`, {
      remedy: 'give -C an existing folder',
    });
  }
}

async function progressOn(stream: Stream, verbose: boolean): Promise<ShownProgress> {
  return stream.isTerminal ? barProgress(stream, verbose) : plainProgress(stream, verbose);
}
