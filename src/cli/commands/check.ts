import type { Command } from 'commander';
import type { CheckOutcome } from '../../apply/check.ts';
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { type ProcessFlags, withProcesses } from '../processes.ts';
import type { CommonFlags, Session } from '../session.ts';
import { bound, explained, verb } from '../verb.ts';

interface CheckFlags extends CommonFlags, ProcessFlags {
  readonly replace?: boolean;
}

export function checkVerb(): Command {
  const command = withProcesses(
    verb(
      'check',
      'show which processes a patch fits, and what applying would do',
      'Plans the patches for each process and shows the plan. Nothing is stopped and nothing is changed. Whether a ' +
        'thread is inside a function to be patched shows only when patches are applied.',
    ).argument('<patch...>', '.kpatch files, or folders that hold some'),
  ).option('--replace', 'plan to take the place of all active patches of the same objects');
  explained(
    command,
    [
      { command: 'suture check --all patches/', what: 'every process that has the object loaded' },
      { command: 'suture check --pid 4242 patches/', what: 'one process' },
    ],
    [EXIT.done, EXIT.failed, EXIT.usage, EXIT.nothing, EXIT.busy, EXIT.invalidPatch, EXIT.partial],
  );
  return bound(command, check);
}

async function check(paths: string[], flags: CheckFlags, session: Session): Promise<ExitCode> {
  const { loadPatches, patchSets } = await import('../../store/catalogue.ts');
  const { eachTarget } = await import('../targets.ts');
  const { checkPatches } = await import('../../apply/engine.ts');
  const { checkDocument, checkText } = await import('../../report/check.ts');
  const patches = patchSets(loadPatches(paths)).flatMap((set) => set.patches.map(({ patch }) => patch));
  const options = { replace: flags.replace === true };
  const all = eachTarget(flags, (target) => checkPatches(target, patches, options));
  const outcomes = all.filter((one) => one.outcome !== 'not-applicable' || flags.pid?.includes(one.pid));
  session.result(checkDocument(outcomes), () => checkText(outcomes, session.paint));
  return checkExit(outcomes);
}

function checkExit(outcomes: readonly CheckOutcome[]): ExitCode {
  const has = (wanted: CheckOutcome['outcome']) => outcomes.some(({ outcome }) => outcome === wanted);
  if (has('applicable')) return has('refused') ? EXIT.partial : EXIT.done;
  return has('refused') ? EXIT.busy : EXIT.nothing;
}
