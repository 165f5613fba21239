/** What a generator reads is not compiled; what it writes is. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, run, suture, Workspace } from '../harness.ts';

test('a generated source', async () => {
  const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'generated-source');
  const { workspace, diff } = await Workspace.of(one, []);
  try {
    const input = await workspace.build('input', diff);
    assertExit(input, 6);
    assert.match(input.stdout, /values\.tab, from which another program generates sources/);

    const generate = async (values: string): Promise<string> => {
      const path = join(workspace.folder, 'values');
      workspace.write(new Map([['values', values]]), workspace.folder);
      const made = await run('sh', ['-c', `sh ${workspace.tree}/make-table.sh < ${path}`]);
      return made.stdout;
    };
    const before = await generate(one.before.get('values.tab') ?? '');
    assert.equal(before, readFileSync(join(workspace.tree, 'table.c'), 'utf8'));
    const after = await generate(one.after.get('values.tab') ?? '');
    const generated = await workspace.writeDiff(
      new Map([['table.c', before]]),
      new Map([['table.c', after]]),
      'generated.patch',
    );
    assertExit(await workspace.build('generated', generated), 0);
    const program = workspace.start();
    const target = ['--pid', String(program.pid)];
    assert.deepEqual(await program.calls(2), ['11', '22']);
    assertExit(await suture(['apply', ...target, '--json', workspace.patches]), 0);
    assert.deepEqual(await program.calls(2), ['11', '27']);
    assertExit(await suture(['revert', ...target, '--id', 'generated', '--json']), 0);
    assert.deepEqual(await program.calls(2), ['11', '22']);
  } finally {
    await workspace.close();
  }
});
