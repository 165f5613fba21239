import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCase } from '../case.ts';
import { assertExit, processes, repository, suture, Workspace } from '../harness.ts';

const ROUNDS = 4;

for (const variant of [[], ['-static']]) {
  test(['exceptions in all threads while patches come and go', ...variant].join(' '), async () => {
    const one = loadCase(join(repository, 'test/programs'), 'cxx-exceptions-threads');
    const { workspace, diff } = await Workspace.of(one, variant);
    try {
      assertExit(await workspace.build('thrown', diff), 0);
      const program = workspace.start();
      const target = ['--pid', String(program.pid), '--timeout', '30'];
      const regions = () =>
        readFileSync(`/proc/${program.pid}/maps`, 'utf8')
          .split('\n')
          .filter((line) => /r-xp 00000000 00:00 0 *$/.test(line)).length;
      assert.equal(await program.call(1, 60), '1 0');
      const none = regions();
      for (let round = 0; round < ROUNDS; round++) {
        const applied = await suture(['apply', ...target, '--json', workspace.patches]);
        assertExit(applied, 0);
        assert.equal(processes(applied)[0]?.outcome, 'applied');
        assert.equal(regions(), none + 1);
        assert.equal(await program.call(1, 60), '101 0');
        assertExit(await suture(['revert', ...target, '--id', 'thrown']), 0);
        assert.equal(regions(), none, 'the memory of the patch is given back');
        assert.equal(await program.call(1, 60), '1 0');
      }
    } finally {
      await workspace.close();
    }
  });
}
