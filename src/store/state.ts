/**
 * The journal of what this program is about to do to a process, one file per process in a run directory, written
 * before the target is touched and removed when all is done. It is the lock between two commands on one process, and
 * it names the memory that a killed command may have left mapped.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SutureError } from '../base/errors.ts';
import { type Remote, remote } from '../bytes/address.ts';

/** Memory that was about to be mapped in the target. */
export interface IntendedMapping {
  readonly start: Remote;
  /** Bytes. */
  readonly size: number;
}

interface NotedMapping {
  readonly start: string;
  readonly size: number;
}

/** The first line of the file. What is intended later follows, a mapping on each line. */
interface JournalFile {
  readonly tool: { readonly pid: number; readonly startTime: string };
  readonly mappings: readonly NotedMapping[];
}

const DIRECTORY_MODE = 0o700;

/**
 * Where journals lie: $SUTURE_STATE_DIR, else /run/suture for root, else $XDG_RUNTIME_DIR/suture, else a folder of the
 * user's own in the temporary directory.
 */
export function stateDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.SUTURE_STATE_DIR) return environment.SUTURE_STATE_DIR;
  const uid = process.getuid?.() ?? 0;
  if (uid === 0) return '/run/suture';
  if (environment.XDG_RUNTIME_DIR) return join(environment.XDG_RUNTIME_DIR, 'suture');
  return join(tmpdir(), `suture-${uid}`);
}

/** Field 22 of /proc/PID/stat: ticks since boot. Tells a process from a later one of the same pid. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** The journal of one process, held open by this command. */
export class Journal implements Disposable {
  readonly #path: string;
  readonly #descriptor: number;
  /** What the command before this one intended when it was killed. */
  readonly inherited: readonly IntendedMapping[];

  private constructor(path: string, descriptor: number, inherited: readonly IntendedMapping[]) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.inherited = inherited;
  }

  /** Whether a command was killed while it was at work on the process. One that is at work now leaves nothing yet. */
  static isLeft(
    target: { readonly pid: number; readonly startTime: bigint },
    directory = stateDirectory(),
  ): boolean {
    const left = readJournal(pathOf(directory, target));
    return left !== undefined && !isAlive(left.tool);
  }

  /**
   * Takes the lock. Throws BUSY when another command is at work on the process, IO when the run directory cannot be
   * used.
   */
  static open(
    target: { readonly pid: number; readonly startTime: bigint },
    directory = stateDirectory(),
  ): Journal {
    try {
      mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
      requireOwn(directory);
      const path = pathOf(directory, target);
      const { descriptor, inherited } = takeOver(path, target.pid);
      return new Journal(path, descriptor, inherited);
    } catch (error) {
      if (error instanceof SutureError) throw error;
      throw new SutureError('IO', `the run directory ${directory} cannot be used: ${messageOf(error)}`, {
        remedy: 'set SUTURE_STATE_DIR to a directory that you can write to',
        cause: error,
      });
    }
  }

  /**
   * Notes what is about to be mapped: it is in the file before this returns, a line of its own. A command that is killed
   * within leaves a piece of a line, and has mapped nothing. IO when the file cannot be written.
   */
  intend(mapping: IntendedMapping): void {
    const line = `${JSON.stringify(noted(mapping))}\n`;
    let reason = 'the disk is full';
    try {
      if (writeSync(this.#descriptor, line) === line.length) return;
    } catch (error) {
      reason = messageOf(error);
    }
    throw new SutureError('IO', `the journal ${this.#path} cannot be written: ${reason}`, {
      remedy: 'set SUTURE_STATE_DIR to a directory that you can write to',
    });
  }

  /** All is done or undone. */
  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
    try {
      unlinkSync(this.#path);
    } catch {
      // Somebody cleaned the run directory.
    }
  }
}

const pathOf = (directory: string, target: { readonly pid: number; readonly startTime: bigint }): string =>
  join(directory, `${target.pid}-${target.startTime}`);

/** Creates the file; when a dead command left one, takes its place and returns what that one intended. */
function takeOver(path: string, pid: number): { descriptor: number; inherited: IntendedMapping[] } {
  for (let attempt = 0; attempt < 3; attempt++) {
    const fresh = createFile(path, contentOf([]));
    if (fresh !== undefined) return { descriptor: fresh, inherited: [] };
    const left = readJournal(path);
    if (left === undefined) continue;
    if (isAlive(left.tool)) {
      throw new SutureError('BUSY', `another command (pid ${left.tool.pid}) is at work on process ${pid}`, {
        remedy: 'wait until it has ended',
      });
    }
    // Renaming is atomic: of several commands that find the dead one's journal, one gets it.
    const mine = `${path}.taken-${process.pid}`;
    try {
      renameSync(path, mine);
    } catch {
      continue;
    }
    const taken = readJournal(mine) ?? left;
    const inherited = taken.mappings.map(({ start, size }) => ({ start: remote(BigInt(start)), size }));
    const descriptor = createFile(path, contentOf(inherited));
    unlinkSync(mine);
    if (descriptor !== undefined) return { descriptor, inherited };
  }
  throw new SutureError('BUSY', `several commands want to work on process ${pid} at once`, {
    remedy: 'run one at a time',
  });
}

function isAlive(tool: JournalFile['tool']): boolean {
  const startTime = startTimeOf(tool.pid);
  return startTime !== undefined && startTime === tool.startTime;
}

const noted = ({ start, size }: IntendedMapping): NotedMapping => ({
  start: `0x${start.toString(16)}`,
  size,
});

let ownStartTime: string | undefined;

function contentOf(mappings: readonly IntendedMapping[]): string {
  ownStartTime ??= startTimeOf(process.pid) ?? '';
  const journal: JournalFile = {
    tool: { pid: process.pid, startTime: ownStartTime },
    mappings: mappings.map(noted),
  };
  return `${JSON.stringify(journal)}\n`;
}

/** A file, or a line of it, that a killed command wrote half counts as one that intended nothing. */
function readJournal(path: string): JournalFile | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const [first, ...later] = text.split('\n').map(parsedLine);
  const { tool, mappings } = (first ?? {}) as Partial<JournalFile>;
  const isSound =
    typeof tool?.pid === 'number' && typeof tool.startTime === 'string' && Array.isArray(mappings);
  if (!isSound || !mappings.every(isMapping)) return { tool: { pid: 0, startTime: '' }, mappings: [] };
  return { tool, mappings: [...mappings, ...later.filter(isMapping)] };
}

function parsedLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isMapping(value: unknown): value is NotedMapping {
  const { start, size } = (value ?? {}) as Partial<NotedMapping>;
  return typeof start === 'string' && /^0x[0-9a-f]{1,16}$/.test(start) && Number.isSafeInteger(size);
}

/** The descriptor of a new file that holds `content`; undefined if there is one of this name. */
function createFile(path: string, content: string): number | undefined {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
  // Not flushed to the disk: a machine that fails takes the processes along of which the journal tells.
  writeSync(file, content);
  return file;
}

/** A folder in a shared place must be ours alone: a journal names memory to unmap. */
function requireOwn(directory: string): void {
  const { uid, mode } = statSync(directory);
  const ours = uid === (process.getuid?.() ?? uid) && (mode & 0o022) === 0;
  if (ours) return;
  throw new SutureError('NO_PERMISSION', `the run directory ${directory} can be written by others`, {
    remedy: `remove it, or set SUTURE_STATE_DIR to a directory that only you can write to`,
  });
}

/** Removes journals of processes that are gone. */
export function sweepJournals(directory = stateDirectory()): void {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory)) {
    const [pid, startTime] = name.split('-');
    if (!/^\d+$/.test(pid ?? '') || !/^\d+$/.test(startTime ?? '')) continue;
    if (startTimeOf(Number(pid)) === startTime) continue;
    try {
      unlinkSync(join(directory, name));
    } catch {
      // Another command swept it.
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
