import type { Command } from 'commander';
import { EXIT, type ExitCode, SutureError } from '../../base/errors.ts';
import { writeOutput } from '../output.ts';
import type { CommonFlags, Session } from '../session.ts';
import { bound, explained, verb } from '../verb.ts';

export interface InspectFlags extends CommonFlags {
  readonly elf?: string;
}

export function inspectVerb(): Command {
  const command = verb(
    'inspect',
    'show what a patch changes, and why',
    'Shows what patches change and why, what they need, and what could go wrong. Reads files only.',
  )
    .argument('<patch...>', '.kpatch files, or folders that hold some')
    .option(
      '--elf <file>',
      'write the ELF object inside the one patch to this file, for readelf and objdump',
    );
  explained(
    command,
    [
      { command: 'suture inspect patches/', what: 'all patches of a folder' },
      { command: 'suture inspect --elf fix.o patches/*.kpatch', what: 'then: objdump -dr fix.o' },
    ],
    [EXIT.done, EXIT.failed, EXIT.usage, EXIT.invalidPatch],
  );
  return bound(command, inspect);
}

export async function inspect(paths: string[], flags: InspectFlags, session: Session): Promise<ExitCode> {
  const { loadPatches } = await import('../../store/catalogue.ts');
  const { patchDocument, patchText } = await import('../../report/patch.ts');
  const { HEADER_SIZE } = await import('../../patch/layout.ts');
  const patches = loadPatches(paths);
  if (flags.elf !== undefined) {
    const [only, ...more] = patches;
    if (only === undefined || more.length > 0) {
      throw new SutureError('USAGE', `--elf needs one patch, not ${patches.length}`, {
        remedy: 'name one .kpatch file',
      });
    }
    writeOutput(flags.elf, only.patch.bytes.subarray(HEADER_SIZE));
  }
  session.result({ patches: patches.map(patchDocument) }, () =>
    patches.map((patch) => patchText(patch, session.paint)).join('\n'),
  );
  return EXIT.done;
}
