/** Patches in files and folders, read, checked and grouped into patch sets. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SutureError } from '../base/errors.ts';
import type { Patch } from '../patch/patch.ts';
import { readPatch } from '../patch/reader.ts';

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

export interface StoredPatch {
  readonly file: string;
  readonly patch: Patch;
}

/** The patches of one fix, at most one for each build id. */
export interface PatchSet {
  readonly id: string;
  readonly patches: readonly StoredPatch[];
}

const SUFFIX = '.kpatch';

/**
 * Loads patches from files, and from folders every `*.kpatch` in them, in order of names.
 * @throws SutureError IO when a path cannot be read, BAD_PATCH when a file is not a patch or two contradict each other,
 * NOT_APPLICABLE when a folder holds none.
 */
export function loadPatches(paths: readonly string[]): StoredPatch[] {
  const loaded: StoredPatch[] = [];
  for (const file of paths.flatMap(filesAt)) {
    const patch = readPatch(read(file), sha256, file);
    const same = loaded.find(
      (other) =>
        other.patch.manifest.id === patch.manifest.id &&
        other.patch.manifest.target.buildId === patch.manifest.target.buildId,
    );
    if (same === undefined) {
      loaded.push({ file, patch });
    } else if (!equal(same.patch.bytes, patch.bytes)) {
      throw new SutureError(
        'BAD_PATCH',
        `${same.file} and ${file} are different patches of the id ${patch.manifest.id} for one object`,
        { remedy: 'give one of them' },
      );
    }
  }
  return loaded;
}

/** Patch sets in an order in which each comes after those that it requires; otherwise in order of appearance. */
export function patchSets(patches: readonly StoredPatch[]): PatchSet[] {
  const sets = new Map<string, StoredPatch[]>();
  for (const stored of patches) {
    const { id } = stored.patch.manifest;
    sets.set(id, [...(sets.get(id) ?? []), stored]);
  }
  const ordered: PatchSet[] = [];
  const visiting = new Set<string>();
  const visit = (id: string): void => {
    const members = sets.get(id);
    if (members === undefined || visiting.has(id)) return;
    visiting.add(id);
    for (const { patch } of members) patch.manifest.requires.forEach(visit);
    ordered.push({ id, patches: members });
  };
  for (const id of sets.keys()) visit(id);
  return ordered;
}

function filesAt(path: string): string[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw unreadable(path, error);
  }
  if (!isFolder) return [path];
  const files = readdirSync(path)
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
    .map((name) => join(path, name));
  if (files.length > 0) return files;
  throw new SutureError('NOT_APPLICABLE', `there is no ${SUFFIX} file in ${path}`, {
    remedy: 'name the folder that `suture build` wrote its patches to',
  });
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(path: string, error: unknown): SutureError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === 'ENOENT' ? 'there is no such file' : message;
  return new SutureError('IO', `cannot read ${path}: ${reason}`, {
    remedy: `name a ${SUFFIX} file, or a folder that holds some`,
    cause: error,
  });
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
