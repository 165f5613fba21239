/** A caller and what it calls, each changed by a patch of its own: the compiler of neither saw the other's new code. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, suture, Workspace } from '../harness.ts';

test('independent patches of a caller and its callee', async () => {
  const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'independent');
  const { workspace, diff } = await Workspace.of(one, []);
  try {
    const before = one.before.get('main.c') ?? '';
    const after = one.after.get('main.c') ?? '';
    const edit = async (source: string, from: string, to: string, name: string): Promise<string> => {
      assert.ok(source.includes(from));
      const files = (text: string) => new Map([...one.before, ['main.c', text]]);
      return workspace.writeDiff(files(source), files(source.replace(from, to)), `${name}.patch`);
    };
    const caller = ['+ scale(n + 1)', '+ 2 * scale(n + 2)'] as const;
    const diffs = {
      scale: diff,
      twice: await edit(before, ...caller, 'twice'),
      other: await edit(before, 'n * n + 3', 'n * n + 4', 'other'),
      both: await edit(after, ...caller, 'both'),
    };
    const out = (id: string): string => join(workspace.folder, id);
    const build = async (id: keyof typeof diffs, ...more: string[]): Promise<void> =>
      assertExit(
        await suture([
          'build',
          '-C',
          workspace.tree,
          '--id',
          id,
          '-o',
          out(id),
          ...more,
          '--json',
          diffs[id],
        ]),
        0,
      );
    for (const id of ['scale', 'twice', 'other'] as const) await build(id);
    await build('both', '--after', out('scale'));

    const program = workspace.start();
    const target = ['--pid', String(program.pid)];
    const apply = (id: string) => suture(['apply', ...target, '--json', out(id)]);
    const revert = async (id: string) =>
      assertExit(await suture(['revert', ...target, '--id', id, '--json']), 0);
    const misfit = async (id: string) => {
      const refused = await apply(id);
      assertExit(refused, 4);
      assert.match(refused.stdout, /code of one calls scale, which the other changes/);
      assert.match(refused.stdout, /--after/);
    };
    assert.equal(await program.call(1), '29 4');
    assertExit(await apply('scale'), 0);
    assert.equal(await program.call(1), '32 4');
    await misfit('twice');
    assert.equal(await program.call(1), '32 4');
    assertExit(await apply('other'), 0); // nothing to do with the others
    assertExit(await apply('both'), 0); // knows of the earlier one
    assert.equal(await program.call(1), '63 5');
    await revert('both');
    await revert('scale');
    assertExit(await apply('twice'), 0);
    assert.equal(await program.call(1), '56 5');
    await misfit('scale');
    await revert('twice');
    await revert('other');
    assert.equal(await program.call(1), '29 4');
  } finally {
    await workspace.close();
  }
});
