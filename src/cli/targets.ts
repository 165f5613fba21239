import { SutureError } from '../base/errors.ts';
import { Target } from '../process/target.ts';
import { chooseProcesses, type ProcessFlags } from './processes.ts';

/** The chosen processes, opened; closed when the command ends. */
export interface OpenTargets extends Disposable {
  readonly targets: readonly Target[];
  /** Processes found by looking around that could not be opened for want of permission. */
  readonly forbidden: number;
}

/**
 * Opens the processes that the flags choose.
 * @throws SutureError of a process named by its number that is not there, not ours or not fit to be looked at
 */
export function openTargets(flags: ProcessFlags): OpenTargets {
  const { named, found } = chooseProcesses(flags);
  const targets: Target[] = [];
  let forbidden = 0;
  const close = () => {
    for (const target of targets) target.close();
  };
  try {
    for (const pid of named) targets.push(Target.open(pid));
    for (const pid of found) {
      const opened = openFound(pid);
      if (opened === 'forbidden') forbidden++;
      else if (opened !== undefined) targets.push(opened);
    }
  } catch (error) {
    close();
    throw error;
  }
  return { targets, forbidden, [Symbol.dispose]: close };
}

/** A process met by looking around may end at any moment, or be one that nobody can patch: it is left out. */
function openFound(pid: number): Target | 'forbidden' | undefined {
  try {
    return Target.open(pid);
  } catch (error) {
    if (!(error instanceof SutureError)) throw error;
    return error.code === 'NO_PERMISSION' ? 'forbidden' : undefined;
  }
}
