import type { Command } from 'commander';
import { numberFrom } from './verb.ts';

/** The flags that bound how long processes are held and waited for. */
export interface StopFlags {
  /** Milliseconds. */
  readonly maxStop: number;
  /** Seconds. */
  readonly timeout: number;
  /** Path of a description of coroutines. */
  readonly stacks?: string;
}

export function withStop(command: Command): Command {
  return command
    .option('--max-stop <ms>', 'longest time to hold a process at once', numberFrom(0.1, 'milliseconds'), 20)
    .option(
      '--timeout <s>',
      'how long to try again while threads are in the way',
      numberFrom(0, 'seconds'),
      10,
    )
    .option(
      '--stacks <file>',
      'where the program keeps its coroutines, so that they are unwound (docs/stacks.md)',
    );
}

/** As the engine takes them, in milliseconds. */
export async function stopOptions({ maxStop, timeout, stacks }: StopFlags) {
  const limits = { maxStopMs: maxStop, timeoutMs: timeout * 1000 };
  if (stacks === undefined) return limits;
  const { loadStacks } = await import('../store/stacks.ts');
  return { ...limits, stacks: loadStacks(stacks) };
}
