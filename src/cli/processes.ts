import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { SutureError } from '../base/errors.ts';
import { parseStatus } from '../sys/procfs.ts';
import { integerFrom, repeated } from './verb.ts';

/** The flags that choose processes. */
export interface ProcessFlags {
  readonly pid?: readonly number[];
  readonly exe?: readonly string[];
  readonly name?: readonly string[];
  readonly tree?: readonly number[];
  readonly all?: boolean;
}

export function withProcesses(command: Command): Command {
  return command
    .option('-p, --pid <n>', 'this process (repeatable)', repeated(integerFrom(1, 'a process id')))
    .option('--exe <path>', 'every process that runs this executable (repeatable)', repeated(String))
    .option('--name <comm>', 'every process of this name, as ps -C shows it (repeatable)', repeated(String))
    .option(
      '--tree <n>',
      'this process and all that descend from it (repeatable)',
      repeated(integerFrom(1, 'a process id')),
    )
    .option('--all', 'every process');
}

/** For commands that only look: all processes, unless some are chosen. */
export function allUnlessChosen(flags: ProcessFlags): ProcessFlags {
  const { pid, exe, name, tree, all } = flags;
  const isChosen = [pid, exe, name, tree].some((one) => one !== undefined) || all === true;
  return isChosen ? flags : { all: true };
}

/** The processes that the flags choose. */
export interface Choice {
  /** Named by number: it is an error if one of them is not there or not ours. */
  readonly named: readonly number[];
  /** Found by looking around: those that cannot be opened are left out. */
  readonly found: readonly number[];
}

/**
 * Reads /proc for the processes that the flags choose; this process is never among them.
 * @throws SutureError USAGE if no flag chooses any
 */
export function chooseProcesses(flags: ProcessFlags): Choice {
  const { exe, name, tree, all } = flags;
  const named = [...new Set([...(flags.pid ?? []), ...(tree ?? [])])];
  if (named.length === 0 && exe === undefined && name === undefined && all !== true) {
    throw new SutureError('USAGE', 'no process is chosen', {
      remedy: 'add --pid N, --exe PATH, --name COMM, --tree N or --all',
    });
  }
  const paths = new Set(exe?.map(executablePath));
  const names = new Set(name?.map((one) => one.slice(0, COMM_LENGTH)));
  const family = tree === undefined ? undefined : descendantsOf(tree);
  const isChosen = (pid: number): boolean =>
    all === true ||
    family?.has(pid) === true ||
    (paths.size > 0 && paths.has(executableOf(pid) ?? '')) ||
    (names.size > 0 && names.has(commandName(pid) ?? ''));
  const found =
    exe === undefined && name === undefined && tree === undefined && all !== true
      ? []
      : runningPids().filter((pid) => pid !== process.pid && !named.includes(pid) && isChosen(pid));
  return { named, found };
}

/** TASK_COMM_LEN of the kernel without the zero at the end. */
const COMM_LENGTH = 15;

function runningPids(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Children, their children and so on. One that is born meanwhile may be missed, as by every look at /proc. */
function descendantsOf(roots: readonly number[]): ReadonlySet<number> {
  const children = new Map<number, number[]>();
  for (const pid of runningPids()) {
    const parent = parentOf(pid) ?? 0;
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = new Set<number>();
  const visit = (pid: number): void => {
    for (const child of children.get(pid) ?? []) {
      if (found.has(child)) continue;
      found.add(child);
      visit(child);
    }
  };
  roots.forEach(visit);
  return found;
}

const parentOf = (pid: number): number | undefined =>
  unlessGone(() => parseStatus(readFileSync(`/proc/${pid}/status`, 'latin1')).PPid);

/** The path as /proc shows it: links resolved; a file that is gone keeps the path that was given. */
function executablePath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** Executable of a process without the mark of a deleted file; undefined for kernel threads and what is not ours. */
const executableOf = (pid: number): string | undefined =>
  unlessGone(() => readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, ''));

const commandName = (pid: number): string | undefined =>
  unlessGone(() => readFileSync(`/proc/${pid}/comm`, 'utf8').replace(/\n$/, ''));

function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
