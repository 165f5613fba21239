/** --target and --debug: the program runs from a file that the recorded build did not make, without symbols. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, run, suture, Workspace } from '../harness.ts';

test('a stripped program that was built elsewhere', async () => {
  const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'built-elsewhere');
  const { workspace, diff } = await Workspace.of(one, []);
  try {
    const elsewhere = join(workspace.folder, 'elsewhere');
    const done = async (command: string): Promise<void> =>
      assertExit(await run('sh', ['-ec', command], { cwd: workspace.folder }), 0);
    mkdirSync(elsewhere);
    // Another folder and another build id, the same code.
    await done(`cp -r tree/. elsewhere && cd elsewhere && rm -rf .suture prog *.o &&
      sed -i 's/^CFLAGS = /&-Wl,--build-id=0x0123456789abcdef0123456789abcdef01234567 /' settings.mk && make -s &&
      objcopy --only-keep-debug prog prog.debug && strip prog`);
    const target = join(elsewhere, 'prog');
    const build = (id: string, file: string, ...more: string[]) =>
      suture([
        ...['build', '-C', workspace.tree, '--id', id, '-o', join(workspace.folder, id), '--json'],
        ...['--target', file, ...more, diff],
      ]);
    assertExit(await build('debug', target, '--debug', join(elsewhere, 'prog.debug')), 0);
    assertExit(await build('rebuilt', target), 0);

    for (const id of ['debug', 'rebuilt']) {
      const program = workspace.start('../elsewhere/prog');
      const process = ['--pid', String(program.pid)];
      assert.deepEqual(await program.calls(2), ['4 12', '6 17']);
      assertExit(await suture(['apply', ...process, '--json', join(workspace.folder, id)]), 0);
      assert.deepEqual(await program.calls(2), ['107 12', '109 17']);
      assertExit(await suture(['revert', ...process, '--id', id, '--json']), 0);
      assert.deepEqual(await program.calls(1), ['10 12']);
    }

    const source = join(elsewhere, 'main.c');
    writeFileSync(source, readFileSync(source, 'utf8').replace('n * 5 + 7', 'n * 9 + 1'));
    await done('cd elsewhere && make -s && cp prog other && strip other');
    const other = await build('other', join(elsewhere, 'other'));
    assertExit(other, 6);
    assert.match(other.stdout, /\bscale\b/);
  } finally {
    await workspace.close();
  }
});
