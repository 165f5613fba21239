import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { concerning, outcomeExit } from '../outcome-exit.ts';
import { allUnlessChosen, type ProcessFlags, withProcesses } from '../processes.ts';
import type { CommonFlags, Session } from '../session.ts';
import { type StopFlags, stopOptions, withStop } from '../stop-flags.ts';
import { bound, explained, verb } from '../verb.ts';

type RepairFlags = CommonFlags & ProcessFlags & StopFlags;

export function repairVerb(): Command {
  const command = withStop(
    withProcesses(
      verb(
        'repair',
        'finish or undo what killed commands left',
        'Finishes or undoes what commands left in processes when they were killed. Every apply and revert does the ' +
          'same first; this is for processes that are to be left alone afterwards.',
      ),
    ),
  );
  explained(
    command,
    [{ command: 'suture repair', what: 'all processes' }],
    [EXIT.done, EXIT.failed, EXIT.usage, EXIT.busy, EXIT.partial],
  );
  return bound(command, repair);
}

async function repair(_none: string[], flags: RepairFlags, session: Session): Promise<ExitCode> {
  const { eachTarget } = await import('../targets.ts');
  const { repairProcess } = await import('../../apply/engine.ts');
  const { outcomesDocument, outcomesText } = await import('../../report/outcome.ts');
  const options = await stopOptions(flags);
  const all = eachTarget(allUnlessChosen(flags), (target) =>
    repairProcess(target, options, session.progress),
  );
  const outcomes = concerning(all, flags.pid).filter(
    (one) => one.outcome !== 'already' || flags.pid?.includes(one.pid),
  );
  session.result(outcomesDocument(outcomes), () =>
    outcomes.length === 0 ? 'nothing to repair\n' : outcomesText(outcomes, session.paint),
  );
  const exit = outcomeExit(outcomes);
  return exit === EXIT.nothing ? EXIT.done : exit;
}
