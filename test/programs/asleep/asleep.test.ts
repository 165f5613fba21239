/** Threads whose stacks hold callers of the changed function do not stand in the way, whichever version they return to. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, processes, suture, Workspace } from '../harness.ts';

const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'asleep');

for (const variant of one.matrix) {
  test(`a thread asleep in a caller ${variant.join(' ')}`, async () => {
    const { workspace, diff } = await Workspace.of(one, variant);
    try {
      assertExit(await workspace.build('asleep', diff), 0);
      const program = workspace.start();
      const target = ['--pid', String(program.pid)];
      assert.equal(await program.call(100), '100');
      const applied = await suture(['apply', ...target, '--json', workspace.patches]);
      assertExit(applied, 0);
      assert.equal(processes(applied)[0]?.attempts, 1, 'nothing was in the way');
      assert.equal(await program.call(101), '112', 'serve(1) before the patch, serve(2) with it');

      assert.equal(await program.call(100), '110');
      assertExit(await suture(['revert', ...target, '--id', 'asleep', '--json']), 0);
      assert.equal(await program.call(101), '1102', 'serve(1) with the patch, serve(2) without');
    } finally {
      await workspace.close();
    }
  });
}
