/** Patches on top of patches: what each brought is the later ones' too, and they go only from the top. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, type BuildReport, type Finished, json, suture, Workspace } from '../harness.ts';

const one = loadCase(dirname(dirname(fileURLToPath(import.meta.url))), 'after-chain');

type Files = ReadonlyMap<string, string>;
type Edit = readonly [file: string, from: string, to: string];

const edited = (files: Files, edits: readonly Edit[]): Files => {
  const result = new Map(files);
  for (const [file, from, to] of edits) {
    const text = result.get(file) ?? '';
    assert.ok(text.includes(from), from);
    result.set(file, text.replace(from, to));
  }
  return result;
};

const FIXES: readonly (readonly Edit[])[] = [
  [
    ['all.h', 'int other', 'extern int limit;\nint cap(int n);\nint other'],
    ['main.c', 'static int total;', 'static int total;\nint limit = 7;\nstatic int seen = 40;'],
    [
      'main.c',
      '__attribute__((noinline)) static int first',
      '__attribute__((noinline)) int cap(int n) {\n  seen++;\n  return n < limit ? n : limit;\n}\n' +
        '__attribute__((noinline)) static int first',
    ],
    ['main.c', 'total += n', 'total += cap(n)'],
  ],
  [
    ['all.h', 'int cap', 'extern int tally;\nint cap'],
    [
      'main.c',
      '__attribute__((noinline)) static int first',
      'int tally = 3;\n__attribute__((noinline)) static int extra(int n) {\n  tally++;\n  return n + limit;\n}\n' +
        '__attribute__((noinline)) static int first',
    ],
    ['main.c', 'total += cap(n)', 'total += cap(n) + 100'],
    ['main.c', 'return n * 2;', 'static int uses;\n  return extra(n) * 2 + 1000 * ++uses;'],
    ['other.c', 'return n;', 'return n + 10 * limit;'],
  ],
  [
    [
      'main.c',
      '  return total += cap(n) + 100',
      '  static int calls = 500;\n  return total += cap(n) + extra(n) + ++calls',
    ],
    ['main.c', 'extra(n) * 2 + 1000 * ++uses', 'extra(n) * 3 + 1000 * ++uses + seen'],
    ['main.c', 'return n + 5;', 'return cap(n) + 5 + tally;'],
    ['other.c', 'n + 10 * limit', 'cap(n) * limit + tally'],
  ],
];

for (const flags of one.matrix) {
  test(`three patches, each after the one before ${flags.join(' ')}`, async () => {
    const workspace = new Workspace('after-chain');
    try {
      const states = [one.before];
      for (const edits of FIXES) states.push(edited(states.at(-1)!, edits));
      workspace.writeTree(states[0]!, flags);
      await workspace.record();
      const ids = ['one', 'two', 'three'] as const;
      type Id = (typeof ids)[number];
      const diffs: string[] = [];
      for (const [i, id] of ids.entries())
        diffs.push(await workspace.writeDiff(states[i]!, states[i + 1]!, `${id}.patch`));
      const out = (id: string): string => join(workspace.folder, id);
      const build = (id: Id, ...after: Id[]): Promise<Finished> =>
        suture([
          ...['build', '-C', workspace.tree, '--id', id, '-o', out(id), '--json', diffs[ids.indexOf(id)]!],
          ...after.flatMap((each) => ['--after', out(each)]),
        ]);
      const bytes = (finished: Finished): Buffer => {
        assertExit(finished, 0);
        return readFileSync(json<BuildReport>(finished).patches[0]!.file);
      };

      assertExit(await build('one'), 0);
      assertExit(await build('two', 'one'), 0);
      // The newest is named, and the first found beside it; or all are, in any order; whatever the tree holds.
      const third = bytes(await build('three', 'two'));
      const held = [undefined, states[1], states[2]];
      for (const files of held) {
        if (files !== undefined) workspace.write(files);
        const digest = workspace.digest();
        assert.ok(bytes(await build('three', 'two', 'one')).equals(third));
        assert.equal(workspace.digest(), digest);
      }

      const program = workspace.start();
      const target = ['--pid', String(program.pid)];
      const apply = (...sets: Id[]): Promise<Finished> =>
        suture(['apply', ...target, '--json', ...sets.map(out)]);
      const revert = (...sets: Id[]): Promise<Finished> =>
        suture(['revert', ...target, '--json', ...sets.flatMap((id) => ['--id', id])]);

      assert.equal(await program.call(1), '1 2 6 1');
      assert.match((await apply('three')).stdout, /three builds on one, two, which is not applied/);
      assertExit(await apply('one'), 0);
      assert.match((await apply('three')).stdout, /three builds on two, which is not applied/);
      assert.equal(await program.call(8), '8 16 13 8');
      assertExit(await apply('two'), 0);
      assert.equal(await program.call(2), '110 1018 7 72');
      assertExit(await apply('three'), 0);
      assert.equal(await program.call(3), '624 2073 14 27');
      assert.equal(await program.call(9), '1149 3094 20 57');

      assert.match((await revert('one')).stdout, /builds on one, which therefore stays/);
      assert.match((await revert('two')).stdout, /three builds on two, which therefore stays/);
      assert.match((await revert('one', 'two')).stdout, /three builds on (one|two), which therefore stays/);
      assertExit(await revert('three'), 0);
      assert.equal(await program.call(1), '1250 4016 6 71');
      assertExit(await revert('two'), 0);
      assert.equal(await program.call(8), '1257 16 13 8');
      assertExit(await revert('one'), 0);
      assert.equal(await program.call(8), '1265 16 13 8');

      assertExit(await apply('three', 'one', 'two'), 0);
      assert.equal(await program.call(1), '1775 1065 11 12');
      assertExit(await revert('one', 'two', 'three'), 0);
      assert.equal(await program.call(1), '1776 2 6 1');
    } finally {
      await workspace.close();
    }
  });
}
