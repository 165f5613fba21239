/** One command at a time works on a source tree. The lock names its owner, so that a dead one's does not last. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import { STATE_FOLDER } from './record.ts';

interface Owner {
  readonly pid: number;
  /** Clock ticks from boot to the process's start: tells it from a later process with its number. proc(5), stat field 22. */
  readonly startTime: string;
  /** Tells this boot from the ones before. */
  readonly boot: string;
}

/** Held until disposed. */
export class TreeLock implements Disposable {
  readonly #file: string;
  readonly #content: string;

  private constructor(file: string, content: string) {
    this.#file = file;
    this.#content = content;
  }

  /** @throws SutureError BUSY naming the process that holds it */
  static take(directory: string): TreeLock {
    const file = path.join(directory, STATE_FOLDER, 'lock');
    const content = JSON.stringify(ownerOf(process.pid));
    // Written aside and linked: whoever sees the lock sees its owner.
    const aside = `${file}.${process.pid}`;
    try {
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(aside, content);
    } catch (error) {
      throw new SutureError('IO', `cannot write in ${path.dirname(file)}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (place(aside, file)) return new TreeLock(file, content);
        const holder = readLock(file);
        if (holder !== undefined && isAlive(holder)) {
          throw new SutureError('BUSY', `process ${holder.pid} is recording or building in ${directory}`, {
            remedy: 'wait for it to end',
          });
        }
        removeStale(file, holder);
      }
    } finally {
      fs.rmSync(aside, { force: true });
    }
    throw new SutureError('BUSY', `other processes are recording or building in ${directory}`, {
      remedy: 'try again',
    });
  }

  [Symbol.dispose](): void {
    if (readText(this.#file) === this.#content) fs.rmSync(this.#file, { force: true });
  }
}

const ATTEMPTS = 20;

function place(aside: string, file: string): boolean {
  try {
    fs.linkSync(aside, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // File systems without hard links: exclusive creation, with a moment in which the file is empty.
    fs.copyFileSync(aside, file, fs.constants.COPYFILE_EXCL);
    return true;
  }
}

/** Of several that find the same stale lock one renames it; a lock taken meanwhile is put back. */
function removeStale(file: string, judged: Owner | undefined): void {
  const away = `${file}.stale.${process.pid}`;
  try {
    fs.renameSync(file, away);
  } catch {
    return;
  }
  const taken = readLock(away);
  if (taken !== undefined && (taken.pid !== judged?.pid || taken.startTime !== judged.startTime)) {
    try {
      fs.linkSync(away, file);
    } catch {
      // A third one was faster.
    }
  }
  fs.rmSync(away, { force: true });
}

function readLock(file: string): Owner | undefined {
  const text = readText(file);
  try {
    const owner: unknown = JSON.parse(text ?? '');
    if (
      typeof owner === 'object' &&
      owner !== null &&
      'pid' in owner &&
      'startTime' in owner &&
      'boot' in owner
    ) {
      return { pid: Number(owner.pid), startTime: String(owner.startTime), boot: String(owner.boot) };
    }
  } catch {
    // Not a lock of ours; treated as a dead one's.
  }
  return undefined;
}

function readText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner): boolean {
  const now = ownerOf(owner.pid);
  return now.startTime !== '' && now.startTime === owner.startTime && now.boot === owner.boot;
}

function ownerOf(pid: number): Owner {
  const stat = readText(`/proc/${pid}/stat`) ?? '';
  // The second field may hold anything, parentheses too. From the third on: index 19 is field 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const dead = fields[0] === 'Z' || fields[0] === 'X';
  return {
    pid,
    startTime: dead ? '' : (fields[19] ?? ''),
    boot: (readText('/proc/sys/kernel/random/boot_id') ?? '').trim(),
  };
}
