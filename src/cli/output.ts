/** Files that a command was asked to write. */
import { writeFileSync } from 'node:fs';
import { SutureError } from '../base/errors.ts';

/** @throws SutureError IO; with `isNew` also when there is something of that name */
export function writeOutput(file: string, content: string | Uint8Array, { isNew = false } = {}): void {
  try {
    writeFileSync(file, content, isNew ? { flag: 'wx' } : {});
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST')
      throw new SutureError('IO', `${file} is there already`, { remedy: 'remove it or name another', cause });
    throw new SutureError('IO', `cannot write ${file}: ${message}`, {
      remedy: 'name a file in a folder that can be written to',
      cause,
    });
  }
}
