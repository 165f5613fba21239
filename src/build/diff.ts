/**
 * Applies diffs to a tree, in memory: which files they change, and what those hold afterwards. Nothing is written.
 */
import * as path from 'node:path';
import { applyPatch, reversePatch, type StructuredPatch } from 'diff';
import { SutureError } from '../base/errors.ts';
import { type FileDiff, parseDiff } from './diff-text.ts';
import { fitHunks } from './hunk.ts';

/** One file before and after all diffs; one character per byte (latin1). undefined: it does not exist then. */
export interface ChangedFile {
  /** Relative to the tree. */
  readonly path: string;
  readonly original: string | undefined;
  readonly patched: string | undefined;
}

export interface DiffInput {
  /** Of the diff, for messages. */
  readonly name: string;
  /** latin1 */
  readonly text: string;
  /** Take the changes out again instead of making them. */
  readonly reverse?: boolean;
}

/** Reads a file of the tree, latin1; undefined if there is none. */
export type ReadFile = (path: string) => string | undefined;

/** Removing more leading folders than this from a name in a diff is a coincidence, not a match. */
const MAX_STRIP = 4;

/**
 * Applies `diffs` one after another.
 * @throws SutureError DIFF naming the file, the hunk, and the expected and the found line
 */
export function applyDiffs(
  diffs: readonly DiffInput[],
  read: ReadFile,
  warn: (text: string) => void,
): ChangedFile[] {
  const files = new Map<string, { original: string | undefined; patched: string | undefined }>();
  const current: ReadFile = (name) => {
    const known = files.get(name);
    return known === undefined ? read(name) : known.patched;
  };
  const put = (name: string, patched: string | undefined): void => {
    const known = files.get(name);
    if (known === undefined) files.set(name, { original: read(name), patched });
    else known.patched = patched;
  };
  for (const { name, text, reverse } of diffs) {
    const given = parseDiff(text, name);
    const parsed = reverse === true ? given.map(reversed).reverse() : given;
    const strip = stripLevel(parsed, current, name);
    for (const file of parsed) applyFile(file, strip, name, current, put, warn);
  }
  return [...files]
    .filter(([, file]) => file.original !== file.patched)
    .map(([name, file]) => ({ path: name, ...file }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function reversed(file: FileDiff): FileDiff {
  const { hunks } = reversePatch({
    oldFileName: 'old',
    newFileName: 'new',
    oldHeader: '',
    newHeader: '',
    hunks: [...file.hunks],
  });
  return { ...file, oldName: file.newName, newName: file.oldName, hunks };
}

function applyFile(
  file: FileDiff,
  strip: number,
  diff: string,
  current: ReadFile,
  put: (name: string, patched: string | undefined) => void,
  warn: (text: string) => void,
): void {
  const from = file.oldName === undefined ? undefined : stripped(file.oldName, strip);
  const to = file.newName === undefined ? undefined : stripped(file.newName, strip);
  const shown = to ?? from ?? '?';
  if (file.binary)
    throw new SutureError('DIFF', `${diff} changes ${shown} as a binary file`, {
      remedy: 'leave binary files out of the diff',
    });
  // `diff -u a.orig a.c` names two files of which only one is meant: patch(1) takes the one that exists.
  const source =
    from !== undefined && current(from) === undefined && to !== undefined && current(to) !== undefined
      ? to
      : from;
  const before = source === undefined ? undefined : current(source);
  if (source === undefined) {
    if (to !== undefined && current(to) !== undefined)
      throw new SutureError('DIFF', `${diff} creates ${to}, which exists already`, {
        remedy: 'is the fix in this tree already?',
      });
  } else if (before === undefined)
    throw new SutureError('DIFF', `${diff} changes ${source}, which does not exist`);
  const after = hunksApplied(file, before ?? '', shown, diff, warn);
  if (to === undefined) {
    if (after !== '')
      throw new SutureError('DIFF', `${diff} deletes ${shown}, which holds more than the diff says`);
    if (source !== undefined) put(source, undefined);
    return;
  }
  const isRename =
    source !== undefined &&
    from !== undefined &&
    source === from &&
    to !== source &&
    current(to) === undefined;
  if (isRename) put(source, undefined);
  put(isRename || source === undefined ? to : source, after);
}

function hunksApplied(
  file: FileDiff,
  before: string,
  shown: string,
  diff: string,
  warn: (text: string) => void,
): string {
  if (file.hunks.length === 0) return before;
  const fitted = fitHunks(before, file.hunks);
  const patch: StructuredPatch = {
    oldFileName: shown,
    newFileName: shown,
    oldHeader: '',
    newHeader: '',
    hunks: fitted.hunks,
  };
  for (const [index, offset] of fitted.offsets.entries()) {
    if (offset !== undefined && offset !== 0)
      warn(
        `${shown}: hunk ${index + 1} of ${diff} fits ${Math.abs(offset)} lines ${offset > 0 ? 'further down' : 'further up'} than it says`,
      );
  }
  for (const fuzzFactor of [0, 1, 2]) {
    const after = applyPatch(before, patch, { fuzzFactor });
    if (after === false) continue;
    if (fuzzFactor > 0)
      warn(`${shown}: ${diff} fits only when ${fuzzFactor} line(s) of context are ignored; check the result`);
    return after;
  }
  const failure = fitted.failure;
  if (failure === undefined)
    throw new SutureError('DIFF', `${diff} does not apply to ${shown}: the end of the file differs`);
  const where = `hunk ${failure.hunk + 1} (line ${file.hunkLines[failure.hunk]} of the diff)`;
  const found =
    failure.found === undefined ? 'the file ends there' : `found ${JSON.stringify(failure.found)}`;
  throw new SutureError(
    'DIFF',
    `${diff} does not apply to ${shown}: ${where}: at line ${failure.line} expected ${JSON.stringify(failure.expected)}, ${found}`,
    {
      remedy:
        'check that the tree is the version the diff was made for, and that the fix is not in it already',
    },
  );
}

/** As `patch -pN`: how many leading folders to remove so that the files that the diff changes are found. */
function stripLevel(files: readonly FileDiff[], current: ReadFile, diff: string): number {
  const git = files.every(
    (file) => (file.oldName ?? 'a/').startsWith('a/') && (file.newName ?? 'b/').startsWith('b/'),
  );
  const order = git ? [1, 0, 2, 3, MAX_STRIP] : [0, 1, 2, 3, MAX_STRIP];
  const existing = files.filter((file) => file.oldName !== undefined);
  const exists = (file: FileDiff, strip: number): boolean =>
    [file.oldName, file.newName].some((name) => {
      const local = name === undefined ? undefined : stripped(name, strip);
      return local !== undefined && current(local) !== undefined;
    });
  const scored = order.map((strip) => ({
    strip,
    hits: existing.filter((file) => exists(file, strip)).length,
  }));
  const best = scored.reduce((a, b) => (b.hits > a.hits ? b : a));
  if (existing.length > 0 && best.hits < existing.length) {
    const missing = existing.find((file) => !exists(file, best.strip));
    throw new SutureError(
      'DIFF',
      `${diff} changes ${missing?.oldName ?? '?'}, which is not in the source tree`,
      {
        remedy:
          'run the command in the folder the diff was made in (or -C DIR), or leave that file out of the diff',
      },
    );
  }
  return existing.length === 0
    ? git || files.some((file) => file.newName?.startsWith('b/'))
      ? 1
      : 0
    : best.strip;
}

/** The name without its first `strip` folders; undefined if it has no more than that, or would leave the tree. */
function stripped(name: string, strip: number): string | undefined {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length <= strip || (strip === 0 && path.isAbsolute(name))) return undefined;
  const rest = parts.slice(strip);
  return rest.includes('..') ? undefined : rest.join('/');
}
