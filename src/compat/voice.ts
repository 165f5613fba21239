/** Where LibcarePlus's commands say things: results to standard output, failures to standard error. */
import { SutureError } from '../base/errors.ts';
import { openStream } from '../cli/terminal.ts';

export interface Voice {
  out(text: string): void;
  err(text: string): void;
}

/** What a command of theirs ends with when it fails, usage errors included. */
export const FAILED = 255;

export function standardVoice(): Voice {
  const out = openStream(1, false, process.env);
  const err = openStream(2, false, process.env);
  return { out: (text) => out.write(text), err: (text) => err.write(text) };
}

/** An error as one text; a defect shows where it happened. */
export function failureOf(error: unknown): string {
  if (error instanceof SutureError && error.code !== 'INTERNAL') return `${error.explain()}\n`;
  const story = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `a defect of suture, please report it with these lines:\n${story}\n`;
}

/** A column of labels, as their `info` and `libcare-dump` print them. */
export const labelled = (label: string, value: string | number): string => `${label.padEnd(LABEL)}${value}\n`;
const LABEL = 25;

/** Runs a command's work to its exit code. */
export async function ended(name: string, work: (voice: Voice) => number | Promise<number>): Promise<void> {
  const voice = standardVoice();
  try {
    process.exitCode = await work(voice);
  } catch (error) {
    voice.err(`${name}: ${failureOf(error)}`);
    process.exitCode = FAILED;
  }
}

/** A command line that cannot be understood. */
export class UsageError extends Error {}
