/** A check, an inspection and a status before, between and after: none of them changes a byte of the process. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, json, suture, Workspace } from '../harness.ts';

test('check, inspect, status and verify only look', async () => {
  const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'check');
  const { workspace, diff } = await Workspace.of(one, []);
  try {
    assertExit(await workspace.build('check', diff), 0);
    const program = workspace.start();
    const target = ['--pid', String(program.pid)];
    const maps = () => readFileSync(`/proc/${program.pid}/maps`, 'utf8');
    const looks = async (mentions: boolean) => {
      const before = maps();
      const status = await suture(['status', ...target, '--json']);
      assert.equal(JSON.stringify(json(status)).includes('"check"'), mentions, status.stdout);
      assertExit(await suture(['verify', ...target, '--json']), 0);
      const checked = await suture(['check', ...target, '--json', workspace.patches]);
      assert.equal(checked.code, mentions ? 3 : 0, checked.stdout + checked.stderr);
      json(checked);
      assert.equal(maps(), before);
    };
    assert.equal(await program.call(1), '1');
    await looks(false);
    assert.equal(await program.call(1), '1');

    assertExit(await suture(['apply', ...target, '--json', workspace.patches]), 0);
    await looks(true);
    assert.equal(await program.call(1), '11');

    assertExit(await suture(['revert', ...target, '--id', 'check', '--json']), 0);
    await looks(false);
    assert.equal(await program.call(1), '1');

    const inspected = await suture(['inspect', workspace.patches]);
    assertExit(inspected, 0);
    assert.match(inspected.stdout, /\bstep\b/);
    json(await suture(['inspect', '--json', workspace.patches]));
  } finally {
    await workspace.close();
  }
});
