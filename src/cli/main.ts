/** The command line: `suture VERB …`. */
import { Command, CommanderError } from 'commander';
import { EXIT, SutureError } from '../base/errors.ts';
import { applyVerb } from './commands/apply.ts';
import { buildVerb } from './commands/build.ts';
import { checkVerb } from './commands/check.ts';
import { inspectVerb } from './commands/inspect.ts';
import { recordVerb } from './commands/record.ts';
import { repairVerb } from './commands/repair.ts';
import { revertVerb } from './commands/revert.ts';
import { statusVerb } from './commands/status.ts';
import { symbolsVerb } from './commands/symbols.ts';
import { verifyVerb } from './commands/verify.ts';
import { failureDocument } from './failure.ts';
import { version } from './version.ts';

/** Runs the words of process.argv; the exit code is in process.exitCode then. */
export async function command(): Promise<void> {
  const program = commandLine();
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = usageExit(program, error);
  }
}

function commandLine(): Command {
  const program = new Command('suture')
    .description(
      'Hot patches for running Linux programs: built from a source diff, put in and taken back while they run.',
    )
    .version(version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help; suture VERB --help shows examples and exit codes')
    .enablePositionalOptions()
    .showSuggestionAfterError();
  for (const verb of [
    recordVerb(),
    buildVerb(),
    inspectVerb(),
    checkVerb(),
    applyVerb(),
    revertVerb(),
    statusVerb(),
    verifyVerb(),
    repairVerb(),
    symbolsVerb(),
  ]) {
    program.addCommand(verb);
  }
  for (const each of [program, ...program.commands]) {
    each.exitOverride().configureOutput({ outputError: () => {} });
  }
  return program;
}

/** Help and version end well; whatever else the parser raises is a wrong command line. */
function usageExit(program: Command, error: CommanderError): number {
  if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') return EXIT.done;
  if (error.code === 'commander.help') return EXIT.usage; // no command: the help went to standard error
  const known = program.commands.find((verb) => verb.name() === process.argv[2]);
  const usage = new SutureError('USAGE', error.message.replace(/^error: /, '').replaceAll('\n', ' '), {
    remedy: known === undefined ? 'suture --help' : `suture ${known.name()} --help`,
  });
  process.stderr.write(`suture: ${usage.explain()}\n`);
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(failureDocument(usage), undefined, 2)}\n`);
  }
  return EXIT.usage;
}
