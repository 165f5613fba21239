import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { allUnlessChosen, type ProcessFlags, withProcesses } from '../processes.ts';
import type { CommonFlags, Session } from '../session.ts';
import { bound, explained, verb } from '../verb.ts';

type StatusFlags = CommonFlags & ProcessFlags;

export function statusVerb(): Command {
  const command = withProcesses(
    verb(
      'status',
      'list the patches that processes have',
      'Lists patches, read from the processes themselves; nothing is stopped. Without a choice of processes it looks ' +
        'at all of them.',
    ),
  );
  explained(
    command,
    [
      { command: 'suture status', what: 'all processes' },
      { command: 'suture status --pid 4242 --json', what: 'one, for a script' },
    ],
    [EXIT.done, EXIT.failed, EXIT.usage],
  );
  return bound(command, status);
}

async function status(_none: string[], flags: StatusFlags, session: Session): Promise<ExitCode> {
  const { eachTarget } = await import('../targets.ts');
  const { statusOf } = await import('../../apply/engine.ts');
  const { statusDocument, statusText } = await import('../../report/status.ts');
  const all = eachTarget(allUnlessChosen(flags), (target) => ({
    pid: target.pid,
    exe: target.exe,
    objects: statusOf(target),
  }));
  const patched = all.filter((one) => one.objects.length > 0);
  session.result(statusDocument(patched), () => statusText(patched, session.paint));
  return EXIT.done;
}
