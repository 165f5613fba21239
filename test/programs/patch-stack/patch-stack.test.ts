/** Patches over patches: per function the newest active one wins, and any may be taken back at any time. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, json, suture, Workspace } from '../harness.ts';

test('several patches of one program', async () => {
  const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'patch-stack');
  const { workspace, diff } = await Workspace.of(one, []);
  try {
    const source = one.before.get('main.c') ?? '';
    const edited = (from: string, to: string) =>
      new Map([...one.before, ['main.c', source.replace(from, to)]]);
    const diffs = {
      hundred: diff,
      other: await workspace.writeDiff(one.before, edited('n * 2', 'n * 3'), 'other.patch'),
      thousand: await workspace.writeDiff(
        one.before,
        edited('return n;', 'return n + 1000;'),
        'thousand.patch',
      ),
    };
    const patches = new Map<string, string>();
    for (const [id, path] of Object.entries(diffs)) {
      const out = join(workspace.folder, id);
      assertExit(await suture(['build', '-C', workspace.tree, '--id', id, '-o', out, '--json', path]), 0);
      patches.set(id, out);
    }
    const program = workspace.start();
    const target = ['--pid', String(program.pid)];
    const apply = async (id: string) =>
      assertExit(await suture(['apply', ...target, '--json', patches.get(id) ?? '']), 0);
    const revert = async (id: string) =>
      assertExit(await suture(['revert', ...target, '--id', id, '--json']), 0);
    const shows = async (expected: string) => assert.equal(await program.call(1), expected);

    await shows('1 2');
    await apply('hundred');
    await shows('101 2');
    await apply('other');
    await shows('101 3');
    // Both change the same function: the later one does not have what the earlier one fixes there, and says so.
    const warning = /thousand was not built with --after hundred: what hundred fixes in \w+ is out of force/;
    const check = ['check', ...target, patches.get('thousand') ?? ''];
    assert.match((await suture([...check, '--json'])).stdout, warning);
    assert.match((await suture(check)).stdout, warning);
    assert.match(
      (await suture(['apply', ...target, '--json', patches.get('thousand') ?? ''])).stdout,
      warning,
    );
    await shows('1001 3');
    const status = JSON.stringify(json(await suture(['status', ...target, '--json'])));
    for (const id of patches.keys()) assert.match(status, new RegExp(`"${id}"`));

    await revert('hundred'); // below the newest: no visible change
    await shows('1001 3');
    await revert('thousand');
    await shows('1 3');
    await apply('hundred'); // a reverted patch can come back
    await shows('101 3');
    await revert('other');
    await shows('101 2');
    await revert('hundred');
    await shows('1 2');
    assertExit(await suture(['revert', ...target, '--id', 'hundred', '--json']), 3);
    assertExit(await suture(['verify', ...target, '--json']), 0);
  } finally {
    await workspace.close();
  }
});
