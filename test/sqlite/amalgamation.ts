/** SQLite's amalgamation, one unit of over 270,000 lines, as the better-sqlite3 package ships it: what the comparison is measured and held to. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repository } from '../programs/harness.ts';

const VERSION = '13.2.0';
const folder = join(repository, '.cache', 'sqlite');
const source = join(folder, `sqlite3-${VERSION}.c`);

/** The source, one character a byte; fetched from the package registry once. */
export function amalgamation(): string {
  if (!existsSync(source)) {
    mkdirSync(folder, { recursive: true });
    execFileSync('npm', ['pack', '--silent', `better-sqlite3@${VERSION}`], { cwd: folder });
    const member = 'package/deps/sqlite3/sqlite3.c';
    execFileSync('tar', ['xzf', `better-sqlite3-${VERSION}.tgz`, member], { cwd: folder });
    renameSync(join(folder, member), source);
  }
  return readFileSync(source, 'latin1');
}

/** Replaces text that must stand in the source just once. */
export function changed(text: string, from: string, to: string): string {
  const at = text.indexOf(from);
  if (at < 0 || text.indexOf(from, at + 1) >= 0)
    throw new Error(`"${from}" does not stand once in the source`);
  return text.slice(0, at) + to + text.slice(at + from.length);
}

/** Compiles a version of the source in `directory`, always under one file name; gives the output's bytes. */
export async function compiled(text: string, directory: string, flags: readonly string[]): Promise<Buffer> {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'sqlite3.c'), text, 'latin1');
  await promisify(execFile)('gcc', [...flags, '-o', 'output', 'sqlite3.c'], { cwd: directory });
  return readFileSync(join(directory, 'output'));
}
