/**
 * Runs the base build and notes what it compiles, archives and links. See docs/adr/0004-record-by-ptrace.md for why
 * this is done from outside.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { during, SutureError } from '../base/errors.ts';
import { type Progress, silent } from '../base/progress.ts';
import { ElfImage } from '../elf/image.ts';
import { recoverTree } from './journal.ts';
import { TreeLock } from './lock.ts';
import { isLeafProgram, programName, recognizeTool } from './program.ts';
import { isArchiver, outputsOf, projectOf, stepsOf } from './project.ts';
import {
  type BuildRecord,
  COMPILER_VARIABLES,
  type Environment,
  loadRecord,
  type RecordedCommand,
  saveRecord,
} from './record.ts';
import { expandResponseFiles } from './response-file.ts';
import { runTraced, type TracedOptions, type Verdict } from './traced-command.ts';

export interface Recording {
  /** Of the command; 128 + signal if one ended it. */
  readonly exitCode: number;
  /** Commands noted in this run. */
  readonly recorded: number;
  /** Units and linked objects in the whole record. */
  readonly units: number;
  readonly linked: number;
}

/**
 * Runs `command` in `directory` and merges what it compiled into the tree's record.
 * @throws SutureError NO_PERMISSION, BUSY, IO, USAGE
 */
export async function record(
  command: readonly string[],
  directory: string,
  progress: Progress = silent,
  options: TracedOptions = {},
): Promise<Recording> {
  const root = existingFolder(directory);
  using _lock = TreeLock.take(root);
  const warn = (text: string): void => progress.warn(text);
  if (recoverTree(root, warn) > 0)
    progress.note('source files that a killed build had changed were put back');
  return await during(`recording ${command.join(' ')}`, async () => {
    const seen: RecordedCommand[] = [];
    const exitCode = await runTraced(command, root, (pid) => noteExec(pid, seen), options);
    progress.step('writing the record');
    const merged = mergeRecord(root, loadRecord(root), seen);
    saveRecord(root, merged);
    const project = projectOf(merged);
    return { exitCode, recorded: seen.length, units: project.units.length, linked: project.linked.length };
  });
}

function existingFolder(directory: string): string {
  try {
    const root = fs.realpathSync(directory);
    if (fs.statSync(root).isDirectory()) return root;
  } catch {
    // Told below.
  }
  throw new SutureError('USAGE', `${directory} is not a folder`, {
    remedy: 'name the source tree with -C DIR',
  });
}

/** A process has just become another program. Whatever cannot be read is gone again: nothing to note. */
function noteExec(pid: number, seen: RecordedCommand[]): Verdict {
  try {
    const argv = zeroTerminated(`/proc/${pid}/cmdline`);
    if (argv[0] === undefined) return 'follow';
    const tool = recognizeTool(argv);
    if (tool === undefined) return isLeafProgram(programName(argv[0])) ? 'leave' : 'follow';
    const directory = fs.readlinkSync(`/proc/${pid}/cwd`);
    const expanded = expandResponseFiles(argv, (file) => readOptional(path.resolve(directory, file)));
    seen.push({ directory, arguments: expanded, environment: environmentOf(pid) });
    return 'leave';
  } catch {
    return 'follow';
  }
}

function zeroTerminated(file: string): string[] {
  const text = fs.readFileSync(file, 'utf8');
  return text.split('\0').slice(0, -1);
}

function environmentOf(pid: number): Environment {
  const environment: Record<string, string> = {};
  for (const assignment of zeroTerminated(`/proc/${pid}/environ`)) {
    const equals = assignment.indexOf('=');
    const name = assignment.slice(0, equals);
    if (equals > 0 && COMPILER_VARIABLES.test(name)) environment[name] = assignment.slice(equals + 1);
  }
  return environment;
}

function readOptional(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * The earlier record with what a new build did: a command replaces an earlier one with the same output, so that an
 * incremental build may be recorded too. Commands whose files are gone (tries of configuration scripts) are dropped.
 */
export function mergeRecord(
  root: string,
  earlier: BuildRecord | undefined,
  seen: readonly RecordedCommand[],
): BuildRecord {
  const latest = new Map<string, RecordedCommand>();
  const exists = existence();
  for (const command of [...(earlier?.commands ?? []), ...seen]) {
    const outputs = outputsOf(command);
    if (outputs.length === 0 || !isStillThere(command, exists)) continue;
    const key = isArchiver(command)
      ? JSON.stringify([command.directory, command.arguments])
      : JSON.stringify(outputs);
    latest.delete(key);
    latest.set(key, command);
  }
  const commands = [...latest.values()];
  const linked = new Map<string, string | null>();
  for (const command of commands) {
    for (const [output, { kind }] of stepsOf(command).assemblies) {
      if (kind === 'executable' || kind === 'library') linked.set(output, buildIdOf(output));
    }
  }
  return { root, commands, linked };
}

function isStillThere(command: RecordedCommand, exists: (file: string) => boolean): boolean {
  const { units, assemblies } = stepsOf(command);
  return units.some((unit) => exists(unit.source)) || assemblies.some(([output]) => exists(output));
}

function existence(): (file: string) => boolean {
  const known = new Map<string, boolean>();
  return (file) => {
    const exists = known.get(file) ?? fs.existsSync(file);
    known.set(file, exists);
    return exists;
  };
}

/** null: no ELF file, or none with a build id. */
function buildIdOf(file: string): string | null {
  try {
    return ElfImage.parse(fs.readFileSync(file), file).buildId() ?? null;
  } catch {
    return null;
  }
}
