import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { concerning, outcomeExit } from '../outcome-exit.ts';
import { type ProcessFlags, withProcesses } from '../processes.ts';
import type { CommonFlags, Session } from '../session.ts';
import { type StopFlags, stopOptions, withStop } from '../stop-flags.ts';
import { bound, explained, repeated, verb } from '../verb.ts';

interface RevertFlags extends CommonFlags, ProcessFlags, StopFlags {
  readonly id: readonly string[];
}

export function revertVerb(): Command {
  const command = withStop(
    withProcesses(
      verb(
        'revert',
        'take patches out of running processes',
        'Takes patches back, in any order: each function gets the newest patch that stays, or its original code. A ' +
          'patch that another one builds on stays until that one is gone.',
      ),
    ).requiredOption('--id <id>', 'the patch, by its name (repeatable)', repeated(String)),
  );
  explained(
    command,
    [
      { command: 'suture revert --pid 4242 --id cve-2024-1', what: 'one process' },
      { command: 'suture revert --all --id cve-2024-1', what: 'wherever it is applied' },
    ],
    [EXIT.done, EXIT.failed, EXIT.usage, EXIT.nothing, EXIT.busy, EXIT.partial],
  );
  return bound(command, revert);
}

async function revert(_none: string[], flags: RevertFlags, session: Session): Promise<ExitCode> {
  const { openTargets } = await import('../targets.ts');
  const { revertPatches } = await import('../../apply/engine.ts');
  const { outcomesDocument, outcomesText } = await import('../../report/outcome.ts');
  using open = openTargets(flags);
  const all = revertPatches(open.targets, flags.id, await stopOptions(flags), session.progress);
  const outcomes = concerning(all, flags.pid);
  session.result(outcomesDocument(outcomes), () => outcomesText(outcomes, session.paint));
  return outcomeExit(outcomes);
}
