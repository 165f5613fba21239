import { type ErrorCode, SutureError } from '../base/errors.ts';
import { Target } from '../process/target.ts';
import { chooseProcesses, type ProcessFlags } from './processes.ts';

/** The chosen processes, opened; closed when the command ends. */
export interface OpenTargets extends Disposable {
  readonly targets: readonly Target[];
}

/**
 * Opens the processes that the flags choose.
 * @throws SutureError of a process named by its number that is not there, not ours or not fit to be looked at
 */
export function openTargets(flags: ProcessFlags): OpenTargets {
  const { named, found } = chooseProcesses(flags);
  const targets: Target[] = [];
  const close = () => {
    for (const target of targets) target.close();
  };
  try {
    for (const pid of named) targets.push(Target.open(pid));
    for (const pid of found) {
      const target = unlessUnfit(() => Target.open(pid));
      if (target !== undefined) targets.push(target);
    }
  } catch (error) {
    close();
    throw error;
  }
  return { targets, [Symbol.dispose]: close };
}

/** Looks at each process that the flags choose, one after the other, and gives what was seen. */
export function eachTarget<T>(flags: ProcessFlags, look: (target: Target) => T): T[] {
  const { named, found } = chooseProcesses(flags);
  const lookAt = (pid: number): T => {
    const target = Target.open(pid);
    try {
      return look(target);
    } finally {
      target.close();
    }
  };
  return [
    ...named.map(lookAt),
    ...found.flatMap((pid) => {
      const seen = unlessUnfit(() => lookAt(pid));
      return seen === undefined ? [] : [seen];
    }),
  ];
}

/** What can befall a process met by looking around, which nobody asked for by its number. */
const UNFIT: readonly ErrorCode[] = ['NO_PROCESS', 'PROCESS_GONE', 'NO_PERMISSION', 'PROCESS_UNFIT'];

function unlessUnfit<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof SutureError && UNFIT.includes(error.code)) return undefined;
    throw error;
  }
}
