/** The bundle runs from bytecode that was made with it, never from another's, and without any. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Script } from 'node:vm';
import { repository, run } from '../programs/harness.ts';

interface Runner {
  scriptOf(text: string, cachedData?: Uint8Array): Script;
  bytecodeFile(text: string): string;
}
const runner = createRequire(import.meta.url)(join(repository, 'bin/run.cjs')) as Runner;

test('V8 takes the bytecode of the bundle', () => {
  const text = readFileSync(join(repository, 'dist/commands.cjs'), 'latin1');
  const bytecode = readFileSync(runner.bytecodeFile(text));
  assert.equal(runner.scriptOf(text, bytecode).cachedDataRejected, false);
});

test('a bundle of the same length with other words does not run the bytecode; neither does one without', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'suture-bytecode-'));
  try {
    for (const part of ['bin', 'dist', 'package.json'])
      cpSync(join(repository, part), join(folder, part), {
        recursive: true,
        filter: (path) => !path.endsWith('/types'),
      });
    symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
    const bundle = join(folder, 'dist/commands.cjs');
    const text = readFileSync(bundle, 'latin1');
    const help = async () => (await run(join(folder, 'bin/suture'), ['--help'])).stdout;
    assert.match(await help(), /put patches into running processes/);

    for (const name of readdirSync(join(folder, 'dist')))
      if (name.endsWith('.bytecode')) rmSync(join(folder, 'dist', name));
    assert.match(await help(), /put patches into running processes/);

    // The digest in the last line is of what stands before it: another text has another name.
    const other = text
      .replace('put patches into running', 'PUT patches into running')
      .replace(/[0-9a-f]{8}\n$/, '00000000\n');
    assert.equal(other.length, text.length);
    assert.notEqual(runner.bytecodeFile(other), runner.bytecodeFile(text));
    writeFileSync(bundle, other, 'latin1');
    assert.match(await help(), /PUT patches into running processes/);

    rmSync(bundle);
    const unbuilt = await run(join(folder, 'bin/suture'), ['--help']);
    assert.equal(unbuilt.code, 1);
    assert.match(unbuilt.stderr, /has not been built yet\n {2}try: npm ci/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
