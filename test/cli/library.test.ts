/** The library: importable by its name, and its types need none of Node's. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { repository, run } from '../programs/harness.ts';

const USE = `
import { applyPatches, EXIT, loadPatches, type ProcessOutcome, SutureError, Target } from 'suture';

export function patch(pid: number, folder: string): ProcessOutcome[] {
  const target = Target.open(pid);
  try {
    return applyPatches([target], loadPatches([folder]).map(({ patch }) => patch), { maxStopMs: 5 });
  } catch (error) {
    if (error instanceof SutureError && error.exitCode === EXIT.busy) return [];
    throw error;
  } finally {
    target.close();
  }
}
`;

describe('as a library', () => {
  const folder = mkdtempSync(join(tmpdir(), 'suture-library-'));
  before(() => {
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(repository, join(folder, 'node_modules/suture'));
  });
  after(() => rmSync(folder, { recursive: true }));

  test('types', async () => {
    writeFileSync(join(folder, 'use.ts'), USE);
    const options = ['--module', 'nodenext', '--target', 'es2022', '--lib', 'es2023,esnext.disposable'];
    const tsc = join(repository, 'node_modules/.bin/tsc');
    const checked = await run(tsc, ['--strict', '--skipLibCheck', '--noEmit', ...options, 'use.ts'], {
      cwd: folder,
    });
    assert.equal(checked.stdout, '');
    assert.equal(checked.code, 0);
  });

  test('values', async () => {
    const text = `import { SutureError, Target } from 'suture';
      try { Target.open(999999999) } catch (error) { process.stdout.write(String(error instanceof SutureError && error.code)) }`;
    writeFileSync(join(folder, 'use.mjs'), text);
    const ended = await run(process.execPath, ['use.mjs'], { cwd: folder });
    assert.deepEqual(ended, { code: 0, stdout: 'NO_PROCESS', stderr: '' });
  });
});
