import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SutureError } from '../base/errors.ts';
import type { Patch } from '../patch/patch.ts';
import { readPatch } from '../patch/reader.ts';

export interface PatchFile {
  readonly file: string;
  readonly patch: Patch;
}

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/**
 * Reads the patches that a command line names: files, and the `.kpatch` files of folders, in a stable order.
 * @throws SutureError BAD_PATCH for a file that is none; IO when one cannot be read or a folder holds no patch
 */
export function readPatchFiles(paths: readonly string[]): PatchFile[] {
  return paths.flatMap(patchesAt).map((file) => ({ file, patch: readPatch(readWhole(file), sha256, file) }));
}

function patchesAt(path: string): string[] {
  const found = orIo(path, () => statSync(path));
  if (!found.isDirectory()) return [path];
  const files = orIo(path, () => readdirSync(path))
    .filter((name) => name.endsWith('.kpatch'))
    .sort()
    .map((name) => join(path, name));
  if (files.length === 0) {
    throw new SutureError('IO', `the folder ${path} holds no patch`, {
      remedy: 'name a folder that suture build has written, or a .kpatch file',
    });
  }
  return files;
}

const readWhole = (file: string): Uint8Array => orIo(file, () => readFileSync(file));

function orIo<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : `${code}`;
    throw new SutureError('IO', `cannot read ${path}: ${reason}`, {
      remedy: 'name a .kpatch file, or a folder that holds some',
    });
  }
}
