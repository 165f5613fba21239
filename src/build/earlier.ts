/** The fixes that a new one is built after: their patches, and their diffs, which are kept beside them. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import type { Patch } from '../patch/patch.ts';
import { readPatch } from '../patch/reader.ts';
import type { DiffInput } from './diff.ts';

export interface EarlierFix {
  readonly id: string;
  /** One for each object that it changes. */
  readonly patches: readonly Patch[];
  readonly diff: DiffInput;
}

/** A patch set as it lies on disk. */
interface FoundFix extends EarlierFix {
  readonly folder: string;
}

/**
 * The fixes that lie at `places`, and those that they were built after, in the order in which they are applied. One that
 * is not named is looked for in the folders beside the patch that requires it.
 * @param places patches, or folders of patch sets
 * @throws SutureError IO, BAD_PATCH, USAGE, REFUSED when the diff of one, or one that another was built after, is not there
 */
export function loadEarlier(places: readonly string[]): EarlierFix[] {
  const named = new Map<string, FoundFix>();
  for (const fix of places.map(load)) named.set(fix.id, fix);
  const ordered = new Map<string, EarlierFix>();
  const add = (fix: FoundFix, above: readonly string[]): void => {
    if (ordered.has(fix.id)) return;
    for (const id of requiredBy(fix)) {
      if (above.includes(id))
        throw new SutureError('BAD_PATCH', `${id} and ${fix.id} were built after each other`);
      add(named.get(id) ?? foundBeside(fix, id), [...above, fix.id]);
    }
    ordered.set(fix.id, fix);
  };
  for (const fix of named.values()) add(fix, []);
  return [...ordered.values()];
}

function requiredBy({ patches }: EarlierFix): Set<string> {
  return new Set(patches.flatMap(({ manifest }) => manifest.requires));
}

function load(place: string): FoundFix {
  const isFolder = fs.statSync(place, { throwIfNoEntry: false })?.isDirectory() === true;
  const files = isFolder ? patchesIn(place) : [place];
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
  const folder = isFolder ? place : path.dirname(place);
  const beside = path.join(folder, diffName(id));
  if (!fs.existsSync(beside)) {
    throw new SutureError('REFUSED', `the source diff of ${id} is not there: ${beside}`, {
      remedy: 'keep it beside the patches: suture build writes both',
    });
  }
  return { id, patches, folder, diff: { name: beside, text: Buffer.from(read(beside)).toString('latin1') } };
}

/** In a folder beside that of the patch that was built after it, by its diff and its id. */
function foundBeside({ id, folder }: FoundFix, wanted: string): FoundFix {
  const parent = path.dirname(path.resolve(folder));
  const candidates = fs
    .readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => path.join(parent, name))
    .filter((place) => fs.existsSync(path.join(place, diffName(wanted))) && patchesIn(place).length > 0);
  const [only] = candidates;
  if (only === undefined || candidates.length > 1) {
    const places = only === undefined ? 'in no folder' : 'in several folders';
    throw new SutureError('REFUSED', `${id} was built after ${wanted}, which is ${places} beside ${folder}`, {
      remedy: `name the patches of ${wanted} with another --after`,
    });
  }
  const found = load(only);
  if (found.id === wanted) return found;
  throw new SutureError('REFUSED', `${id} was built after ${wanted}, and ${only} holds ${found.id}`, {
    remedy: `name the patches of ${wanted} with another --after`,
  });
}

function patchesIn(folder: string): string[] {
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.kpatch'))
    .sort()
    .map((name) => path.join(folder, name));
}

export const diffName = (id: string): string => `${id}.diff`;

function read(file: string): Uint8Array {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new SutureError('IO', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
