import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { EXIT, type ExitCode } from '../../base/errors.ts';
import type { BuildOptions, BuildResult } from '../../build/result.ts';
import { writeOutput } from '../output.ts';
import type { CommonFlags, Session } from '../session.ts';
import { compileThriftily } from '../thrift.ts';
import { bound, explained, inFolder, integerFrom, repeated, verb } from '../verb.ts';
import { version } from '../version.ts';

interface BuildFlags extends CommonFlags {
  readonly id: string;
  readonly description?: string;
  readonly output: string;
  readonly function?: readonly string[];
  readonly acceptData?: readonly string[];
  readonly acceptLayout?: readonly string[];
  readonly after?: readonly string[];
  readonly target?: string;
  readonly debug?: string;
  readonly jobs: number;
  readonly compat?: boolean;
  readonly keepTime?: boolean;
  readonly report?: string;
}

export function buildVerb(): Command {
  const command = verb(
    'build',
    'build a patch from a source diff',
    'Applies source diffs in the recorded tree, compiles the units that they touch in both versions, writes one patch ' +
      'for each object that differs, and puts the tree back as it was.',
  )
    .addOption(inFolder())
    .argument('<diff...>', 'unified diffs, applied in this order')
    .requiredOption('--id <id>', 'name of the patch: letters, digits, ".", "_", "-"', patchId)
    .option('-o, --output <dir>', 'folder for the patches', 'patches')
    .option('--description <text>', 'a sentence that travels with the patch')
    .option(
      '--function <pattern>',
      'keep only changed functions of this name and what they need; * and ? as in a shell (repeatable)',
      repeated(String),
    )
    .option(
      '--accept-data <name>',
      'let running processes keep the old content of this variable or constant (repeatable)',
      repeated(String),
    )
    .option(
      '--accept-layout <type>',
      'let new code use a type whose layout changes, for example "struct job" (repeatable)',
      repeated(String),
    )
    .option(
      '--after <patch>',
      'build on top of this patch, which is applied already, and of those that it was built after; their diffs must be beside them, where build wrote them (repeatable)',
      repeated(String),
    )
    .option('--target <file>', 'build for this linked object only, which may come from elsewhere')
    .option(
      '--debug <file>',
      'symbols of a stripped target: its separate debug file, or an unstripped build of the same code',
    )
    .option(
      '-j, --jobs <n>',
      'compilers at the same time',
      integerFrom(1, 'a number of jobs'),
      availableParallelism(),
    )
    .option(
      '--report <file>',
      'write a page for the reviewer: code of both versions side by side (HTML, needs objdump)',
    )
    .option('--compat', 'make patches that LibcarePlus can load too, or say why that cannot be')
    .option('--keep-time', 'note the time of the build in the patch; two builds then differ');
  explained(
    command,
    [
      { command: 'suture build --id cve-2024-1 ../fix.patch', what: 'writes patches/BUILDID.kpatch' },
      { command: "suture build --id one --function 'parse_*' fix.patch", what: 'some functions of a fix' },
      { command: 'suture build -C src --id x --json fix.patch', what: 'for a script' },
      { command: 'suture build --id x --report review.html fix.patch', what: 'and what a reviewer reads' },
    ],
    [EXIT.done, EXIT.failed, EXIT.usage, EXIT.nothing, EXIT.refusedToBuild],
  );
  return bound(command, build);
}

function patchId(text: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be 1 to 64 letters, digits, ".", "_" or "-".');
}

async function build(diffs: string[], flags: BuildFlags, session: Session): Promise<ExitCode> {
  compileThriftily();
  const { buildPatchSet } = await import('../../build/pipeline.ts');
  const { buildDocument, buildText } = await import('../../report/build.ts');
  const { id, description, output, after, target, debug, jobs, compat, keepTime } = flags;
  const options = {
    dir: process.cwd(),
    id,
    outDir: output,
    diffs,
    functions: flags.function ?? [],
    acceptData: flags.acceptData ?? [],
    acceptLayout: flags.acceptLayout ?? [],
    jobs,
    ...(description === undefined ? {} : { description }),
    ...(after === undefined ? {} : { after }),
    ...(target === undefined ? {} : { target }),
    ...(debug === undefined ? {} : { debug }),
    ...(compat === undefined ? {} : { compat }),
    ...(keepTime === undefined ? {} : { keepTime }),
  };
  const result = await buildPatchSet(options, session.progress);
  if (flags.report !== undefined) await writeReport(options, result, flags.report);
  session.result(buildDocument(result), () => buildText(result, session.paint));
  return buildExit(result);
}

async function writeReport(options: BuildOptions, result: BuildResult, file: string): Promise<void> {
  const { reviewOf } = await import('../../build/review.ts');
  const { reviewPage } = await import('../../report/html.ts');
  const page = reviewPage(await reviewOf(options, result), version);
  writeOutput(file, page);
}

function buildExit(result: BuildResult): ExitCode {
  if (result.refused.length > 0) return EXIT.refusedToBuild;
  return result.patches.length > 0 ? EXIT.done : EXIT.nothing;
}
