/** A patch on top of a patch: state that the earlier one introduced is the later one's too. */
import assert from 'node:assert/strict';
import { copyFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, type BuildReport, json, suture, Workspace } from '../harness.ts';

const CASES = dirname(dirname(fileURLToPath(import.meta.url)));

/** Changes a function that the first fix changed and one that it did not; both use what it introduced. */
const TWO: readonly (readonly [string, string])[] = [
  ['  return n + calls;', '  return n + calls + 1000 * capped;'],
  ['  return n * 2;', '  static int uses;\n  return cap(n) * 10000 + seen * 100 + ++uses;'],
];

const edited = (text: string, edits: readonly (readonly [string, string])[]): string =>
  edits.reduce((edited, [from, to]) => {
    assert.ok(edited.includes(from), from);
    return edited.replace(from, to);
  }, text);

for (const flags of [['-O0'], ['-O2'], ['-O2', '-fno-pie', '-no-pie']]) {
  test(`a patch after a patch ${flags.join(' ')}`, async () => {
    const one = loadCase(CASES, 'after');
    const { workspace, diff } = await Workspace.of(one, flags);
    try {
      const texts = [one.before.get('main.c') ?? ''];
      texts.push(one.after.get('main.c') ?? '');
      texts.push(edited(texts[1]!, TWO));
      texts.push(edited(texts[1]!, [['if (n <= caps[n & 1]) return n;', 'if (n < caps[n & 1]) return n;']]));
      const files = texts.map((text) => new Map([...one.before, ['main.c', text]]));
      const diffs = {
        one: diff,
        two: await workspace.writeDiff(files[1]!, files[2]!, 'two.patch'),
        again: await workspace.writeDiff(files[1]!, files[3]!, 'again.patch'),
      };
      const out = (id: string): string => join(workspace.folder, id);
      const build = (id: keyof typeof diffs, name: string, ...more: string[]) =>
        suture(['build', '-C', workspace.tree, '--id', name, '-o', out(name), ...more, '--json', diffs[id]]);

      assertExit(await build('one', 'one'), 0);
      const program = workspace.start();
      const target = ['--pid', String(program.pid)];
      assert.deepEqual(await program.call(1), '102 2 1');

      // From the base's source and from the one that has the earlier fix: the same patch.
      const fromBase = await build('two', 'two', '--after', out('one'));
      assertExit(fromBase, 0);
      const report = json<BuildReport>(fromBase);
      const names = report.patches[0]?.functions.map(({ name }) => name) ?? [];
      // Optimized, the caller knows which registers the new code leaves alone.
      assert.deepEqual(names.filter((name) => name !== 'call').sort(), ['first', 'second']);
      workspace.write(files[1]!);
      const digest = workspace.digest();
      assertExit(await build('two', 'two', '--after', out('one')), 0);
      assert.equal(workspace.digest(), digest);

      const again = await build('again', 'again', '--after', out('one'));
      assertExit(again, 6);
      assert.match(again.stdout, /cap, which one introduced, changes again/);

      const early = await suture(['apply', ...target, '--json', out('two')]);
      assert.match(early.stdout, /two builds on one, which is not applied/);
      assertExit(await suture(['apply', ...target, '--json', out('one')]), 0);
      assert.deepEqual(await program.call(8), '110 16 8'); // 8 is capped to 7
      assertExit(await suture(['apply', ...target, '--json', out('two')]), 0);
      // Calls, capped and seen go on where the first patch left them.
      assert.deepEqual(await program.call(9), '1112 94201 17');
      assert.deepEqual(await program.call(10), '2114 74302 24');
      const kept = await suture(['revert', ...target, '--id', 'one', '--json']);
      assert.notEqual(kept.code, 0);
      assert.deepEqual(await program.call(1), '3106 14403 25');
      assertExit(await suture(['revert', ...target, '--id', 'two', '--json']), 0);
      assert.deepEqual(await program.call(1), '107 2 26');
      assertExit(await suture(['revert', ...target, '--id', 'one', '--json']), 0);
      assert.deepEqual(await program.call(8), '115 16 34');

      // A diff that is not the earlier patch's is no ground to build on.
      copyFileSync(diffs.again, join(out('one'), 'one.diff'));
      const foreign = await build('two', 'three', '--after', out('one'));
      assert.notEqual(foreign.code, 0);
      rmSync(join(out('one'), 'one.diff'));
      const without = await build('two', 'three', '--after', out('one'));
      assertExit(without, 6);
      assert.match(without.stdout, /source diff of one is not there/);
    } finally {
      await workspace.close();
    }
  });
}
