/** Files that appear whole or not at all. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';

let sequence = 0;

/**
 * Writes `content` beside `file` and renames it there: a reader sees the old content or the new one. Makes the folder.
 * @throws SutureError IO
 */
export function writeAtomically(file: string, content: string | Uint8Array, mode = 0o644): void {
  const beside = `${file}.${process.pid}.${sequence++}.new`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const descriptor = fs.openSync(beside, 'wx', mode);
    try {
      fs.writeFileSync(descriptor, content);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    fs.renameSync(beside, file);
  } catch (error) {
    fs.rmSync(beside, { force: true });
    throw new SutureError('IO', `cannot write ${file}: ${(error as Error).message}`, { cause: error });
  }
}
