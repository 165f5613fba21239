/** Three objects of one process change together: under constant calls no answer may mix their versions. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, type BuildReport, json, processes, suture, Workspace } from '../harness.ts';

const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'two-libraries');

for (const variant of one.matrix) {
  test(`an executable and two libraries ${variant.join(' ')}`, async () => {
    const { workspace, diff } = await Workspace.of(one, variant);
    try {
      const built = await workspace.build('all', diff);
      assertExit(built, 0);
      const byObject = json<BuildReport>(built).patches.map(
        ({ object, functions }) =>
          `${object.replace(/.*\//, '')}: ${functions.map(({ name }) => name).join(' ')}`,
      );
      assert.deepEqual(byObject.sort(), ['libdigit.so: digit', 'libencode.so: encode', 'prog: join']);

      const program = workspace.start();
      const target = ['--pid', String(program.pid)];
      const seen: string[] = [];
      let calling = true;
      const caller = (async () => {
        while (calling) {
          const answer = await program.call(7);
          if (seen.at(-1) !== answer) seen.push(answer);
        }
      })();
      const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));
      await aWhile();
      const applied = await suture(['apply', ...target, '--json', workspace.patches]);
      assertExit(applied, 0);
      assert.deepEqual(
        processes(applied).map(({ outcome, objects }) => [outcome, objects.length]),
        [['applied', 3]],
        'one process, one stop, three objects',
      );
      await aWhile();
      const status = await suture(['status', ...target, '--json']);
      assert.equal(status.stdout.match(/"standing": "active"/g)?.length, 3);
      const reverted = await suture(['revert', ...target, '--id', 'all', '--json']);
      assertExit(reverted, 0);
      assert.equal(processes(reverted)[0]?.objects.length, 3);
      await aWhile();
      calling = false;
      await caller;
      assert.deepEqual(seen, ['111', '222', '111'], 'only ever all old or all new');
      const after = await suture(['status', ...target, '--json']);
      assert.doesNotMatch(after.stdout, /"standing"/);
    } finally {
      await workspace.close();
    }
  });
}
