/** Linked files in a tree of which no link was recorded. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { ET_DYN, ET_EXEC } from '../elf/constants.ts';

/** Files looked at before the search is given up. */
const MOST_FILES = 200_000;
const NOT_SEARCHED = new Set(['.git', '.hg', '.svn', '.suture', 'node_modules']);

/** Absolute paths of executables and shared libraries below `root`, sorted; links are not followed. */
export function findLinkedFiles(root: string): string[] {
  const found: string[] = [];
  const open = [root];
  let seen = 0;
  for (let folder = open.pop(); folder !== undefined && seen < MOST_FILES; folder = open.pop()) {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      seen++;
      const full = path.join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!NOT_SEARCHED.has(entry.name)) open.push(full);
      } else if (entry.isFile() && isLinked(full)) found.push(full);
    }
  }
  return found.sort();
}

/** gABI ch. 4, "ELF Header": the magic number, and e_type at offset 16. */
function isLinked(file: string): boolean {
  const head = Buffer.alloc(18);
  try {
    const descriptor = fs.openSync(file, 'r');
    try {
      if (fs.readSync(descriptor, head, 0, head.length, 0) < head.length) return false;
    } finally {
      fs.closeSync(descriptor);
    }
  } catch {
    return false;
  }
  if (head.readUInt32BE(0) !== 0x7f454c46) return false;
  const type = head[5] === 2 ? head.readUInt16BE(16) : head.readUInt16LE(16);
  return type === ET_EXEC || type === ET_DYN;
}
