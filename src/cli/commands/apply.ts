import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { concerning, outcomeExit } from '../outcome-exit.ts';
import { type ProcessFlags, withProcesses } from '../processes.ts';
import type { CommonFlags, Session } from '../session.ts';
import { type StopFlags, stopOptions, withStop } from '../stop-flags.ts';
import { bound, explained, verb } from '../verb.ts';

interface ApplyFlags extends CommonFlags, ProcessFlags, StopFlags {
  readonly replace?: boolean;
  readonly atomic?: boolean;
}

export function applyVerb(): Command {
  const command = withStop(
    withProcesses(
      verb(
        'apply',
        'put patches into running processes',
        'Puts the patches into each process that has their objects loaded. All objects of a patch set change in one ' +
          'short stop, or none; a thread inside a function to be patched is waited for.',
      ).argument('<patch...>', '.kpatch files, or folders that hold some'),
    ),
  )
    .option('--replace', 'take the place of all active patches of the same objects, in the same stop')
    .option(
      '--atomic',
      'all of the processes or none: if one cannot be done, those that were are taken back',
    );
  explained(
    command,
    [
      { command: 'suture apply --pid 4242 patches/', what: 'one process' },
      { command: 'suture apply --all patches/', what: 'every process that has the object loaded' },
      { command: 'suture apply --name nginx --timeout 30 patches/', what: 'wait longer for busy threads' },
      {
        command: 'suture apply --tree 4242 --atomic patches/',
        what: 'a process and its descendants, all or none',
      },
    ],
    [EXIT.done, EXIT.failed, EXIT.usage, EXIT.nothing, EXIT.busy, EXIT.invalidPatch, EXIT.partial],
  );
  return bound(command, apply);
}

async function apply(paths: string[], flags: ApplyFlags, session: Session): Promise<ExitCode> {
  const { loadPatches, patchSets } = await import('../../store/catalogue.ts');
  const { openTargets } = await import('../targets.ts');
  const { applyPatches } = await import('../../apply/engine.ts');
  const { outcomesDocument, outcomesText } = await import('../../report/outcome.ts');
  const patches = patchSets(loadPatches(paths)).flatMap((set) => set.patches.map(({ patch }) => patch));
  using open = openTargets(flags);
  const options = {
    ...(await stopOptions(flags)),
    replace: flags.replace === true,
    atomic: flags.atomic === true,
  };
  const all = applyPatches(open.targets, patches, options, session.progress);
  const outcomes = concerning(all, flags.pid);
  session.result(outcomesDocument(outcomes), () => outcomesText(outcomes, session.paint));
  return outcomeExit(outcomes);
}
