/** One patch for a library, three processes that use it, found by build id. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, type BuildReport, json, processes, suture, Workspace } from '../harness.ts';

const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'library');

for (const variant of one.matrix) {
  test(`a library in three processes ${variant.join(' ')}`, async () => {
    const { workspace, diff } = await Workspace.of(one, variant);
    try {
      const built = await workspace.build('library', diff);
      assertExit(built, 0);
      assert.match(json<BuildReport>(built).patches[0]?.object ?? '', /libcounter\.so$/);

      const programs = [workspace.start(), workspace.start(), workspace.start()];
      const pids = programs.map(({ pid }) => pid).sort((a, b) => a - b);
      const calls = (n: number) => Promise.all(programs.map((program) => program.call(n)));
      assert.deepEqual(await calls(5), ['5 of 50', '5 of 50', '5 of 50']);

      // The build id is that of this very build: no other process on the machine has it.
      const applied = await suture(['apply', '--all', '--json', workspace.patches]);
      assertExit(applied, 0);
      const outcomes = processes(applied);
      assert.deepEqual(
        outcomes
          .filter(({ outcome }) => outcome === 'applied')
          .map(({ pid }) => pid)
          .sort((a, b) => a - b),
        pids,
      );
      assert.deepEqual(await calls(1), ['1006 of 51', '1006 of 51', '1006 of 51']);

      const again = await suture(['apply', '--all', '--json', workspace.patches]);
      assertExit(again, 3);

      assertExit(await suture(['revert', '--all', '--id', 'library', '--json']), 0);
      assert.deepEqual(await calls(2), ['8 of 51', '8 of 51', '8 of 51']);
    } finally {
      await workspace.close();
    }
  });
}
