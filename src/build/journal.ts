/**
 * Changes source files for a while and puts them back byte for byte. Before the first change the original of every
 * file is kept in DIR/.suture/journal, as another name of the same inode where the file system allows, together with
 * a list of what stands where. Putting back is a rename: it needs no room on the disk and happens whole. A process
 * that dies in between leaves the journal, and the next command finishes.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import * as v from 'valibot';
import { SutureError } from '../base/errors.ts';
import { STATE_FOLDER } from './record.ts';

const EntrySchema = v.object({
  /** Absolute, no symbolic link. */
  path: v.string(),
  /** File in the journal that holds the original; null: there was none. */
  kept: v.nullable(v.string()),
  /** Seconds since 1970 with fraction, for file systems without hard links. */
  modified: v.number(),
  accessed: v.number(),
  mode: v.number(),
  /** SHA-256 of what the file is changed to; null: it is taken away. */
  patched: v.nullable(v.string()),
});
const ListSchema = v.object({
  entries: v.array(EntrySchema),
  /** Folders that were made for new files, deepest first. */
  folders: v.array(v.string()),
});
type Entry = v.InferOutput<typeof EntrySchema>;
type List = v.InferOutput<typeof ListSchema>;

export interface FileChange {
  /** Absolute. */
  readonly path: string;
  /** New content; undefined: the file goes away. */
  readonly content: Uint8Array | undefined;
}

/** The tree is changed as long as this exists undisposed. */
export class ChangedTree implements Disposable {
  readonly #folder: string;
  #list: List | undefined;

  private constructor(folder: string, list: List) {
    this.#folder = folder;
    this.#list = list;
  }

  /**
   * Keeps the originals, then changes the files.
   * @throws SutureError IO; everything is as before then
   */
  static change(
    directory: string,
    changes: readonly FileChange[],
    warn: (text: string) => void,
  ): ChangedTree {
    const folder = journalFolder(directory);
    if (fs.existsSync(folder))
      throw new SutureError('INTERNAL', `${folder} was not recovered before new changes`);
    const list = keepOriginals(folder, changes);
    const tree = new ChangedTree(folder, list);
    try {
      for (const each of list.folders.toReversed()) fs.mkdirSync(each);
      for (const [index, change] of changes.entries())
        write(list.entries[index]!, change.content, path.join(folder, `${index}.patched`));
      return tree;
    } catch (error) {
      tree.putBack(warn);
      if (error instanceof SutureError) throw error;
      throw new SutureError(
        'IO',
        `cannot change the source files for a moment: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  /** Restores every file; harmless when called again. */
  putBack(warn: (text: string) => void): void {
    const list = this.#list;
    this.#list = undefined;
    if (list !== undefined) restore(this.#folder, list, warn);
  }

  [Symbol.dispose](): void {
    this.putBack(() => {});
  }
}

function journalFolder(directory: string): string {
  return path.join(directory, STATE_FOLDER, 'journal');
}

/**
 * Finishes what a killed command left. To be called by every command that works on the tree, under the tree's lock.
 * @returns how many files were put back
 */
export function recoverTree(directory: string, warn: (text: string) => void): number {
  const folder = journalFolder(directory);
  // Unfinished preparations: nothing had been changed yet.
  fs.rmSync(`${folder}.new`, { recursive: true, force: true });
  let text: string;
  try {
    text = fs.readFileSync(path.join(folder, 'list.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw ioError('cannot read the journal', error);
    fs.rmSync(folder, { recursive: true, force: true });
    return 0;
  }
  const parsed = v.safeParse(ListSchema, JSON.parse(text));
  if (!parsed.success) {
    throw new SutureError(
      'IO',
      `${folder}/list.json is damaged; the original source files are in that folder`,
      { remedy: 'put them back by hand and delete the folder' },
    );
  }
  restore(folder, parsed.output, warn);
  return parsed.output.entries.length;
}

function keepOriginals(folder: string, changes: readonly FileChange[]): List {
  const preparing = `${folder}.new`;
  try {
    fs.rmSync(preparing, { recursive: true, force: true });
    fs.mkdirSync(preparing, { recursive: true });
    const folders = new Set<string>();
    const entries = changes.map((change, index): Entry => {
      const patched = change.content === undefined ? null : digest(change.content);
      const stat = fs.lstatSync(change.path, { throwIfNoEntry: false });
      if (stat === undefined) {
        for (let up = path.dirname(change.path); !fs.existsSync(up); up = path.dirname(up)) folders.add(up);
        return { path: change.path, kept: null, modified: 0, accessed: 0, mode: 0o644, patched };
      }
      const kept = `${index}.original`;
      keep(change.path, path.join(preparing, kept), stat);
      return {
        path: change.path,
        kept,
        modified: stat.mtimeMs / 1000,
        accessed: stat.atimeMs / 1000,
        mode: stat.mode & 0o7777,
        patched,
      };
    });
    const list = { entries, folders: [...folders].sort((a, b) => b.length - a.length) };
    const descriptor = fs.openSync(path.join(preparing, 'list.json'), 'wx');
    fs.writeFileSync(descriptor, JSON.stringify(list));
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
    fs.renameSync(preparing, folder);
    syncFolder(path.dirname(folder));
    return list;
  } catch (error) {
    throw ioError('cannot keep the original source files', error);
  }
}

/** Another name for the same inode; where that cannot be, a copy with its times and mode. */
function keep(file: string, kept: string, stat: fs.Stats): void {
  try {
    fs.linkSync(file, kept);
  } catch {
    copyWithAttributes(file, kept, stat.mode & 0o7777, stat.atimeMs / 1000, stat.mtimeMs / 1000);
  }
}

function copyWithAttributes(
  from: string,
  to: string,
  mode: number,
  accessed: number,
  modified: number,
): void {
  fs.copyFileSync(from, to);
  const { uid, gid } = fs.statSync(from);
  try {
    fs.chownSync(to, uid, gid);
  } catch {
    // Only root may give files away; the content matters more.
  }
  fs.chmodSync(to, mode);
  fs.utimesSync(to, accessed, modified);
  const descriptor = fs.openSync(to, 'r');
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
}

/** The changed file gets the mode and times of the original: `__TIMESTAMP__` stays, and make(1) sees no change. */
function write(entry: Entry, content: Uint8Array | undefined, beside: string): void {
  if (content === undefined) {
    fs.rmSync(entry.path, { force: true });
    return;
  }
  fs.writeFileSync(beside, content);
  fs.chmodSync(beside, entry.mode);
  if (entry.kept !== null) fs.utimesSync(beside, entry.accessed, entry.modified);
  replace(beside, entry.path, entry);
}

/** Renames over `to`; across file systems copies beside it first. */
function replace(from: string, to: string, entry: Entry): void {
  try {
    fs.renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const beside = path.join(path.dirname(to), `.${path.basename(to)}.suture`);
    const { atimeMs, mtimeMs } = fs.statSync(from);
    copyWithAttributes(from, beside, entry.mode, atimeMs / 1000, mtimeMs / 1000);
    fs.renameSync(beside, to);
    fs.rmSync(from);
  }
}

function restore(folder: string, list: List, warn: (text: string) => void): void {
  const failures: string[] = [];
  for (const entry of list.entries) {
    try {
      saveForeignEdit(entry, folder, warn);
      if (entry.kept === null) fs.rmSync(entry.path, { force: true });
      else if (fs.existsSync(path.join(folder, entry.kept)))
        replace(path.join(folder, entry.kept), entry.path, entry);
    } catch (error) {
      failures.push(`${entry.path} (${(error as Error).message})`);
    }
  }
  for (const each of list.folders) removeIfEmpty(each);
  if (failures.length > 0) {
    throw new SutureError('IO', `cannot put back ${failures.join(', ')}; the original is kept in ${folder}`, {
      remedy: 'remove the cause; the next suture command in this tree tries again',
    });
  }
  fs.rmSync(folder, { recursive: true, force: true });
}

function removeIfEmpty(folder: string): void {
  try {
    fs.rmdirSync(folder);
  } catch {
    // Gone already, or somebody put a file of their own there.
  }
}

/** Somebody may have edited the changed file meanwhile: that text is not thrown away. */
function saveForeignEdit(entry: Entry, folder: string, warn: (text: string) => void): void {
  let present: Uint8Array;
  try {
    present = fs.readFileSync(entry.path);
  } catch {
    return;
  }
  if (digest(present) === entry.patched) return;
  const original = entry.kept === null ? undefined : readOptional(path.join(folder, entry.kept));
  // Not changed yet, or put back already.
  if (entry.kept !== null && (original === undefined || Buffer.compare(original, present) === 0)) return;
  const saved = `${entry.path}.edited-during-build`;
  fs.writeFileSync(saved, present);
  warn(
    `${entry.path} was edited while the patch was built; that text is now in ${saved}, and the file is as it was before`,
  );
}

function readOptional(file: string): Uint8Array | undefined {
  try {
    return fs.readFileSync(file);
  } catch {
    return undefined;
  }
}

function digest(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function syncFolder(folder: string): void {
  const descriptor = fs.openSync(folder, 'r');
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
}

function ioError(what: string, error: unknown): SutureError {
  return new SutureError('IO', `${what}: ${(error as Error).message}`, { cause: error });
}
