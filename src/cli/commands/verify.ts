import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { allUnlessChosen, type ProcessFlags, withProcesses } from '../processes.ts';
import type { CommonFlags, Session } from '../session.ts';
import { bound, explained, verb } from '../verb.ts';

type VerifyFlags = CommonFlags & ProcessFlags;

export function verifyVerb(): Command {
  const command = withProcesses(
    verb(
      'verify',
      'compare the patches in processes with what they should be',
      'Compares redirects, patch bodies and headers with what they should be, and names what a killed command or ' +
        'another tool has left. Nothing is stopped and nothing is changed.',
    ),
  );
  explained(
    command,
    [{ command: 'suture verify', what: 'all processes' }],
    [EXIT.done, EXIT.failed, EXIT.usage],
  );
  return bound(command, verify);
}

async function verify(_none: string[], flags: VerifyFlags, session: Session): Promise<ExitCode> {
  const { eachTarget } = await import('../targets.ts');
  const { verifyProcess } = await import('../../apply/engine.ts');
  const { findingsDocument, findingsText } = await import('../../report/status.ts');
  const all = eachTarget(allUnlessChosen(flags), (target) => ({
    pid: target.pid,
    exe: target.exe,
    findings: verifyProcess(target),
  }));
  const patched = all.filter((one) => one.findings.length > 0);
  session.result(findingsDocument(patched), () => findingsText(patched, session.paint));
  const wrong = patched.some(({ findings }) => findings.some(({ severity }) => severity === 'error'));
  return wrong ? EXIT.failed : EXIT.done;
}
