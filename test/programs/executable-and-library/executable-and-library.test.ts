/** A fix to both sides of an interface: under constant calls no call may meet one side without the other. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, type BuildReport, json, processes, suture, Workspace } from '../harness.ts';

const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'executable-and-library');

for (const variant of one.matrix) {
  test(`an executable and its library ${variant.join(' ')}`, async () => {
    const { workspace, diff } = await Workspace.of(one, variant);
    try {
      const built = await workspace.build('both', diff);
      assertExit(built, 0);
      assert.deepEqual(
        json<BuildReport>(built)
          .patches.map(({ object, functions }) => [
            object.replace(/.*\//, ''),
            functions.map(({ name }) => name),
          ])
          .sort(),
        [
          ['libprotocol.so', ['respond']],
          ['prog', ['request']],
        ],
      );

      const program = workspace.start();
      const target = ['--pid', String(program.pid)];
      const seen = new Set<string>();
      let calling = true;
      const caller = (async () => {
        while (calling) seen.add(await program.call(7));
      })();
      await new Promise((resolve) => setTimeout(resolve, 100));

      const applied = await suture(['apply', ...target, '--json', workspace.patches]);
      assertExit(applied, 0);
      assert.equal(processes(applied).length, 1);
      assert.equal(processes(applied)[0]?.objects.length, 2);
      await new Promise((resolve) => setTimeout(resolve, 100));
      assertExit(await suture(['revert', ...target, '--id', 'both', '--json']), 0);
      await new Promise((resolve) => setTimeout(resolve, 100));
      calling = false;
      await caller;
      assert.deepEqual([...seen], ['70', '71'], 'only ever both old or both new');
      assert.equal(await program.call(7), '70');
    } finally {
      await workspace.close();
    }
  });
}
