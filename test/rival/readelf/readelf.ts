import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Standard output of readelf, in lines. */
export function readelf(...args: string[]): string[] {
  const ended = spawnSync('readelf', args, {
    encoding: 'latin1',
    maxBuffer: 1 << 30,
    env: { ...process.env, LC_ALL: 'C' },
  });
  // 1 without a word: no separate debug file was found.
  if (ended.status !== 0 && (ended.status !== 1 || ended.stderr !== ''))
    throw new Error(`readelf ${args.join(' ')}: ${ended.error ?? ended.stderr}`);
  return ended.stdout.split('\n');
}

/** Real objects of the machine: what every process maps, and larger ones where they are installed. */
export function realObjects(): { path: string; bytes: Uint8Array }[] {
  const mapped = readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .map((line) => line.slice(73))
    .filter((path) => /\/(libc|libstdc\+\+|libm|libgcc_s|ld-linux[^/]*)\.so/.test(path));
  const paths = new Set(
    [...mapped, '/bin/ls', '/usr/bin/gdb', '/usr/bin/make']
      .filter(existsSync)
      .map((path) => realpathSync(path)),
  );
  return [...paths].map((path) => ({ path, bytes: readFileSync(path) }));
}

/** Compiles with gcc in a folder of its own and removes the folder when the work is done. */
export function withCompiled<T>(source: string, flags: readonly string[], work: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'suture-readelf-'));
  try {
    const input = join(folder, 'input.c');
    const output = join(folder, 'output');
    writeFileSync(input, source);
    const ended = spawnSync('gcc', [...flags, input, '-o', output], { encoding: 'utf8', cwd: folder });
    // 1 without a word: no separate debug file was found.
    if (ended.status !== 0 && (ended.status !== 1 || ended.stderr !== ''))
      throw new Error(`gcc ${flags.join(' ')}: ${ended.error ?? ended.stderr}`);
    return work(output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
