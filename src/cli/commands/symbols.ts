import { type Command, Option } from 'commander';
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { writeOutput } from '../output.ts';
import type { CommonFlags, Session } from '../session.ts';
import { bound, explained, integerFrom, verb } from '../verb.ts';

interface SymbolsFlags extends CommonFlags {
  readonly pid: number;
  readonly format: 'elf' | 'perf';
  readonly output?: string;
}

export function symbolsVerb(): Command {
  const command = verb(
    'symbols',
    'write names of patched code, for gdb and perf',
    'Writes the names and, for debuggers, the unwind tables of the code that patches brought into a process. Nothing ' +
      'is stopped. What is written holds as long as these patches are applied.',
  )
    .requiredOption('-p, --pid <n>', 'the process', integerFrom(1, 'a process id'))
    .addOption(
      new Option('--format <kind>', 'elf: a symbol file; perf: a map as perf reads it')
        .choices(['elf', 'perf'])
        .default('elf'),
    )
    .option('-o, --output <file>', 'where to (default: patches-PID.elf or perf-PID.map in this folder)');
  explained(
    command,
    [
      { command: 'suture symbols --pid 4242 -o fix.elf', what: 'then, in gdb: add-symbol-file fix.elf' },
      {
        command: 'suture symbols --pid 4242 --format perf -o /tmp/perf-4242.map',
        what: 'where perf report looks',
      },
    ],
    [EXIT.done, EXIT.failed, EXIT.usage, EXIT.nothing],
  );
  return bound(command, symbols);
}

async function symbols(_none: string[], flags: SymbolsFlags, session: Session): Promise<ExitCode> {
  const { Target } = await import('../../process/target.ts');
  const { patchCode } = await import('../../apply/engine.ts');
  const { perfMap, symbolFile } = await import('../../apply/code-names.ts');
  const { symbolsDocument, symbolsText } = await import('../../report/symbols.ts');
  const { pid, format } = flags;
  const target = Target.open(pid);
  try {
    const patches = patchCode(target);
    const isPatched = patches.length > 0;
    const file = flags.output ?? (format === 'elf' ? `patches-${pid}.elf` : `perf-${pid}.map`);
    // A file that is there is somebody's: in /tmp a stranger's, or that of a compiler inside the process.
    if (isPatched)
      writeOutput(file, format === 'elf' ? symbolFile(patches, target.arch) : perfMap(patches), {
        isNew: true,
      });
    const written = { pid, format, file: isPatched ? file : undefined, patches };
    session.result(symbolsDocument(written), () => symbolsText(written));
    return isPatched ? EXIT.done : EXIT.nothing;
  } finally {
    target.close();
  }
}
