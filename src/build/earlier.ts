/** The fix that a new one is built after: its patches, and its diff, which is kept beside them. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import type { Patch } from '../patch/patch.ts';
import { readPatch } from '../patch/reader.ts';
import { applyDiffs, type ChangedFile, type DiffInput, type ReadFile } from './diff.ts';

export interface EarlierFix {
  readonly id: string;
  /** One for each object that it changes. */
  readonly patches: readonly Patch[];
  readonly diff: DiffInput;
}

/**
 * @param place a patch, or the folder of a patch set
 * @throws SutureError IO, BAD_PATCH, USAGE, REFUSED when it builds on others itself or its diff is not there
 */
export function loadEarlier(place: string): EarlierFix {
  const isFolder = fs.statSync(place, { throwIfNoEntry: false })?.isDirectory() === true;
  const files = isFolder
    ? fs
        .readdirSync(place)
        .filter((name) => name.endsWith('.kpatch'))
        .sort()
        .map((name) => path.join(place, name))
    : [place];
  const patches = files.map((file) => readPatch(read(file), sha256, file));
  const ids = new Set(patches.map(({ manifest }) => manifest.id));
  const [id] = ids;
  if (id === undefined || ids.size > 1) {
    throw new SutureError(
      'USAGE',
      `${place} holds ${ids.size === 0 ? 'no patch' : 'patches of several fixes'}`,
      {
        remedy: 'name one patch, or the folder of one patch set, with --after',
      },
    );
  }
  const required = patches.flatMap(({ manifest }) => manifest.requires)[0];
  if (required !== undefined) {
    throw new SutureError(
      'REFUSED',
      `${id} was built after ${required}: only one earlier fix can be built on`,
      {
        remedy: 'build one patch for all diffs from the base’s source, and apply it with --replace',
      },
    );
  }
  const beside = path.join(isFolder ? place : path.dirname(place), diffName(id));
  if (!fs.existsSync(beside)) {
    throw new SutureError('REFUSED', `the source diff of ${id} is not there: ${beside}`, {
      remedy: 'keep it beside the patches: suture build writes both',
    });
  }
  return { id, patches, diff: { name: beside, text: Buffer.from(read(beside)).toString('latin1') } };
}

export const diffName = (id: string): string => `${id}.diff`;

/** The sources before and after the earlier fix, whichever of them the tree holds. */
export interface SourceStates {
  /** What the base was built from. */
  readonly base: ReadFile;
  readonly fixed: ReadFile;
  /** Paths of the files that the earlier fix changes. */
  readonly paths: readonly string[];
}

/** @throws SutureError DIFF when the tree is neither the base's source nor the one with the earlier fix */
export function sourceStates({ id, diff }: EarlierFix, tree: ReadFile): SourceStates {
  const unsaid = (): void => {};
  try {
    const undone = applyDiffs([{ ...diff, reverse: true }], tree, unsaid);
    return { base: reader(undone, tree), fixed: tree, paths: undone.map((file) => file.path) };
  } catch (error) {
    if (!(error instanceof SutureError)) throw error;
  }
  try {
    const done = applyDiffs([diff], tree, unsaid);
    return { base: tree, fixed: reader(done, tree), paths: done.map((file) => file.path) };
  } catch (error) {
    throw new SutureError('DIFF', `the tree holds neither the source before ${id} nor the one with it`, {
      remedy: `bring the files that ${diff.name} changes to one of these states`,
      cause: error,
    });
  }
}

const reader =
  (files: readonly ChangedFile[], tree: ReadFile): ReadFile =>
  (name) => {
    const known = files.find((file) => file.path === name);
    return known === undefined ? tree(name) : known.patched;
  };

function read(file: string): Uint8Array {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new SutureError('IO', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
