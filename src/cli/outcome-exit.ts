import type { ProcessOutcome } from '../apply/outcome.ts';
import { EXIT, type ExitCode } from '../base/errors.ts';

/**
 * The outcomes that the user is told: of processes named by their number all, of others only those that the command
 * concerned. Processes come and go while `--all` looks at them.
 */
export function concerning(
  outcomes: readonly ProcessOutcome[],
  named: readonly number[] = [],
): ProcessOutcome[] {
  const passedBy = ({ outcome, objects }: ProcessOutcome) =>
    outcome === 'not-applicable' || (outcome === 'gone' && objects.length === 0);
  return outcomes.filter((one) => named.includes(one.pid) || !passedBy(one));
}

/** The exit code for what was done to some processes. README.md, "Exit codes". */
export function outcomeExit(outcomes: readonly Pick<ProcessOutcome, 'outcome'>[]): ExitCode {
  const has = (...wanted: ProcessOutcome['outcome'][]) =>
    outcomes.some(({ outcome }) => wanted.includes(outcome));
  const done = has('applied', 'reverted');
  if (done) return has('busy', 'refused', 'failed') ? EXIT.partial : EXIT.done;
  if (has('failed')) return EXIT.failed;
  if (has('busy', 'refused')) return EXIT.busy;
  if (has('gone')) return EXIT.failed;
  return EXIT.nothing;
}
