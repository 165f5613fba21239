/** The words of `libcare-ctl`, on its command line or out of the server's socket. */
import { parseArgs } from 'node:util';
import { type Processes, patchProcesses, showProcesses, unpatchProcesses } from './control.ts';
import { openStore } from './patch-store.ts';
import { UsageError, type Voice } from './voice.ts';

export const CTL_USAGE = `usage: libcare-ctl [-v] [-h] COMMAND
  patch   -p PID|all FILE_OR_DIR                     apply a patch, or what a folder has for the process
  unpatch -p PID|all -i ID [BUILDID_OR_NAME...]      take a patch back, from all objects or from these
  info    [-p PID|all] [-v]                          list patches
patch-user, unpatch-user and info-user are other names of the same.
`;

const COMMANDS = ['patch', 'unpatch', 'info'] as const;
type CtlCommand = (typeof COMMANDS)[number];

/** The command that a word names; undefined if it names none. */
export function ctlCommand(word: string | undefined): CtlCommand | undefined {
  const plain = word?.replace(/-user$/, '');
  return COMMANDS.find((command) => command === plain);
}

/** Carries out a command. False if it failed. @throws UsageError */
export function runCtl(
  command: CtlCommand,
  words: readonly string[],
  isVerbose: boolean,
  voice: Voice,
): boolean {
  const { values, positionals } = parsed(words);
  const verbose = isVerbose || values.verbose !== undefined;
  switch (command) {
    case 'patch': {
      const [path, ...more] = positionals;
      if (path === undefined || more.length > 0) throw new UsageError('patch wants one file or folder');
      return patchProcesses(processesOf(required(values.pid, '-p')), openStore(path), voice);
    }
    case 'unpatch': {
      const id = required(values.id, '-i');
      return unpatchProcesses(processesOf(required(values.pid, '-p')), { id, objects: positionals }, voice);
    }
    case 'info':
      return showProcesses(
        values.pid === undefined ? 'all' : processesOf(values.pid),
        verbose,
        voice,
        positionals[0],
      );
    default:
      return command satisfies never;
  }
}

function parsed(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        pid: { type: 'string', short: 'p' },
        id: { type: 'string', short: 'i' },
        verbose: { type: 'boolean', short: 'v', multiple: true },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function required(value: string | undefined, flag: string): string {
  if (value !== undefined) return value;
  throw new UsageError(`${flag} is missing`);
}

function processesOf(text: string): Processes {
  if (text === 'all') return 'all';
  if (/^[1-9]\d{0,8}$/.test(text)) return [Number(text)];
  throw new UsageError(`${text} is neither a process id nor "all"`);
}
