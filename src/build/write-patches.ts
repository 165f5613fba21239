/** Writes a patch set: all files appear, or none. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import { UndoList } from '../base/undo.ts';
import type { MadePatch } from './link-objects.ts';
import type { BuiltPatch } from './result.ts';

/** @throws SutureError IO if the patches could not be written to `folder` */
export function checkOutputFolder(folder: string): void {
  const stat = fs.statSync(folder, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isDirectory()) {
    throw new SutureError('IO', `${folder} is not a folder`, { remedy: 'name another one with -o DIR' });
  }
}

/** Writes FOLDER/BUILDID.kpatch for each patch, and the diff of the source beside them, replacing earlier ones. */
export function writePatches(
  made: readonly MadePatch[],
  folder: string,
  source: { readonly name: string; readonly text: string },
): BuiltPatch[] {
  using undo = new UndoList();
  try {
    const first = fs.mkdirSync(folder, { recursive: true });
    if (first !== undefined) undo.note('the folder', () => fs.rmSync(first, { recursive: true }));
    const prepare = (file: string, bytes: Uint8Array): string => {
      const beside = `${file}.${process.pid}.new`;
      undo.note(beside, () => fs.rmSync(beside, { force: true }));
      fs.writeFileSync(beside, bytes, { flush: true });
      return beside;
    };
    const diff = path.join(folder, source.name);
    const diffBeside = prepare(diff, Buffer.from(source.text, 'latin1'));
    const prepared = made.map(({ bytes, patch }) => {
      const file = path.join(folder, `${patch.buildId}.kpatch`);
      return { file, beside: prepare(file, bytes), patch };
    });
    fs.renameSync(diffBeside, diff);
    for (const { file, beside } of prepared) fs.renameSync(beside, file);
    undo.keep();
    return prepared.map(({ file, patch }) => ({ file, ...patch }));
  } catch (error) {
    throw new SutureError('IO', `cannot write the patches to ${folder}: ${(error as Error).message}`, {
      remedy: 'name another folder with -o DIR',
      cause: error,
    });
  }
}
