import { Command, InvalidArgumentError, Option } from 'commander';
import type { ExitCode } from '../base/errors.ts';
import { EXIT_MEANING } from './exit-meaning.ts';
import { type CommonFlags, inSession, type Session } from './session.ts';

/** What a command does with its arguments and flags. */
export type Work<Flags extends CommonFlags> = (
  positional: string[],
  flags: Flags,
  session: Session,
) => Promise<ExitCode>;

/** One line of a help text's examples. */
export interface Example {
  readonly command: string;
  readonly what: string;
}

/** A command with the parts that all commands share. */
export function verb(name: string, summary: string, description: string): Command {
  return new Command(name)
    .summary(summary)
    .description(description)
    .helpOption('-h, --help', 'show help (-h: short, --help: with examples and exit codes)')
    .option('--json', 'print one JSON document to standard output, everything else to standard error')
    .option('-v, --verbose', 'say more about what is being done, on standard error');
}

/** Adds what the long help shows and the short one does not. */
export function explained(
  command: Command,
  examples: readonly Example[],
  exits: readonly ExitCode[],
): Command {
  const widest = Math.max(...examples.map((example) => example.command.length));
  const lines = [
    '',
    'Examples:',
    ...examples.map(({ command: line, what }) => `  ${line.padEnd(widest)}  ${what}`),
    '',
    'Exit codes:',
    ...exits.map((code) => `  ${code}  ${EXIT_MEANING[code]}`),
  ];
  return command.addHelpText('after', () => (process.argv.includes('-h') ? '' : lines.join('\n')));
}

/** The flag `-C DIR`. */
export const inFolder = (): Option => new Option('-C <dir>', 'work in this folder, as if started there');

/** A number of at least `least`; `unit` goes into the message. */
export function numberFrom(least: number, unit: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a number of ${unit}, at least ${least}.`);
  };
}

/** A whole number of at least `least`. */
export function integerFrom(least: number, what: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be ${what}.`);
  };
}

/** Collects a flag that may be given several times. */
export function repeated<T>(parse: (text: string) => T): (text: string, before: T[] | undefined) => T[] {
  return (text, before) => [...(before ?? []), parse(text)];
}

/** Makes a command's work its action. */
export function bound<Flags extends CommonFlags>(command: Command, work: Work<Flags>): Command {
  return command.action(async () => {
    const flags = command.opts<Flags>();
    process.exitCode = await inSession(flags, (session) => work(command.args, flags, session));
  });
}
