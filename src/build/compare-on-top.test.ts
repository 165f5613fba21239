import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { SutureError } from '../base/errors.ts';
import type { Patch } from '../patch/patch.ts';
import { readPatch } from '../patch/reader.ts';
import { applyDiffs, type ReadFile } from './diff.ts';
import { buildPatchSet } from './pipeline.ts';
import { record } from './recorder.ts';
import type { BuildResult } from './result.ts';
import { sourceDiff } from './source-diff.ts';

type Sources = Readonly<Record<string, string>>;

const reader =
  (files: Sources): ReadFile =>
  (name) =>
    files[name];

/** A tree with a fix and another after it. */
class Fixes {
  readonly folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'suture-after-')));
  readonly tree = path.join(this.folder, 'tree');

  constructor(
    t: TestContext,
    readonly base: Sources,
  ) {
    t.after(() => fs.rmSync(this.folder, { recursive: true, force: true }));
    fs.mkdirSync(this.tree);
    for (const [name, text] of Object.entries(base)) fs.writeFileSync(path.join(this.tree, name), text);
  }

  async record(): Promise<void> {
    const sources = Object.keys(this.base).filter((name) => name.endsWith('.c'));
    assert.equal((await record(['gcc', '-O2', '-o', 'prog', ...sources], this.tree)).exitCode, 0);
  }

  build(id: string, from: Sources, to: Sources, ...after: string[]): Promise<BuildResult> {
    const files = [...new Set([...Object.keys(from), ...Object.keys(to)])]
      .sort()
      .map((name) => ({ path: name, original: from[name], patched: to[name] }))
      .filter(({ original, patched }) => original !== patched);
    const diff = path.join(this.folder, `${id}.input`);
    fs.writeFileSync(diff, sourceDiff(files));
    return buildPatchSet({
      dir: this.tree,
      id,
      outDir: path.join(this.folder, id),
      diffs: [diff],
      functions: [],
      jobs: 2,
      after: after.map((each) => path.join(this.folder, each)),
    });
  }
}

const edited = (files: Sources, name: string, from: string, to: string): Sources => {
  assert.ok(files[name]?.includes(from), from);
  return { ...files, [name]: files[name]!.replace(from, to) };
};

const manifestOf = (file: string): Patch =>
  readPatch(fs.readFileSync(file), (bytes) => createHash('sha256').update(bytes).digest(), file);

const BASE: Sources = {
  'main.c':
    '#include "all.h"\nint main(int c, char **v) { (void)v; printf("%d %d\\n", one(c), two(c)); return 0; }\n',
  'one.c': '#include "all.h"\nint one(int n) { return n + 1; }\n',
  'two.c':
    '#include "all.h"\n__attribute__((noinline)) static int step(int n) { static int count; return count += n; }\nint two(int n) { return step(n) + 2; }\n',
  'all.h': '#include <stdio.h>\nint one(int n);\nint two(int n);\n',
};

test('another unit uses what the earlier fix added, by the name in the earlier patch', async (t) => {
  const fixes = new Fixes(t, BASE);
  await fixes.record();
  const first = edited(
    edited(
      BASE,
      'one.c',
      'int one(int n) { return',
      'int added = 5;\nint helper(int n) { added++; return n * 3; }\nint one(int n) { return helper(n) +',
    ),
    'all.h',
    'int two',
    'extern int added;\nint helper(int n);\nint two',
  );
  assert.deepEqual((await fixes.build('first', BASE, first)).refused, []);
  const second = edited(first, 'two.c', '+ 2;', '+ helper(added);');
  const { patches, refused } = await fixes.build('second', first, second, 'first');
  assert.deepEqual(refused, []);
  const { manifest } = manifestOf(patches[0]!.file);
  assert.deepEqual(manifest.requires, ['first']);
  assert.deepEqual(
    manifest.imports.filter(({ from }) => from !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1)),
    [
      {
        name: 'added',
        type: 'object',
        weak: false,
        from: { patch: 'first', unit: 'one.c', size: 4 },
      },
      { name: 'helper', type: 'function', weak: false, from: { patch: 'first', unit: 'one.c' } },
    ],
  );
});

test('a name that the compiler numbers otherwise since the earlier fix is refused', async (t) => {
  const fixes = new Fixes(t, BASE);
  await fixes.record();
  const first = edited(
    BASE,
    'two.c',
    'int two(int n)',
    '__attribute__((noinline)) static int other(int n) { static int count = 7; return count -= n; }\nint two(int n)',
  );
  const both = edited(first, 'two.c', 'step(n) + 2', 'step(n) + other(n)');
  assert.deepEqual((await fixes.build('first', BASE, both)).refused, []);
  const second = edited(both, 'two.c', 'return count += n', 'return count += 2 * n');
  const { patches, refused } = await fixes.build('second', both, second, 'first');
  // gcc gives the later function's variable the lower number.
  assert.deepEqual(patches, []);
  assert.match(refused[0]?.what ?? '', /count\.\d is called count\.\d in the base/);
});

test('what the first fix added is found under the name that the compiler gives it after the second', async (t) => {
  const fixes = new Fixes(t, BASE);
  await fixes.record();
  const counter = (name: string, step: number): string =>
    `__attribute__((noinline)) static int ${name}(int n) { static int uses = ${step}; return uses += n * ${step}; }\n`;
  const first = edited(
    BASE,
    'one.c',
    'int one(int n) { return n',
    `${counter('early', 3)}int one(int n) { return early(n)`,
  );
  // gcc numbers the static variables of the unit from the last function on.
  const second = edited(
    first,
    'one.c',
    'int one(int n) { return early(n)',
    `${counter('late', 5)}int one(int n) { return early(n) + late(n)`,
  );
  const third = edited(second, 'one.c', 'early(n) + late(n)', 'early(n) + late(n) + early(2)');
  assert.deepEqual((await fixes.build('first', BASE, first)).refused, []);
  assert.deepEqual((await fixes.build('second', first, second, 'first')).refused, []);
  const { patches, refused } = await fixes.build('third', second, third, 'second');
  assert.deepEqual(refused, []);
  const { manifest } = manifestOf(patches[0]!.file);
  assert.deepEqual(manifest.requires, ['first', 'second']);
  assert.deepEqual(
    manifest.imports
      .flatMap(({ name, from }) => (from === undefined ? [] : [`${name} of ${from.patch}`]))
      .sort(),
    ['early of first', 'late of second'],
  );
});

test('fixes that are named with --after: all that are needed, or said which are not', async (t) => {
  const fixes = new Fixes(t, BASE);
  await fixes.record();
  const first = edited(BASE, 'one.c', 'n + 1', 'n + 5');
  const second = edited(first, 'one.c', 'n + 5', 'n + 6');
  const third = edited(second, 'one.c', 'n + 6', 'n + 7');
  await fixes.build('first', BASE, first);
  await fixes.build('second', first, second, 'first');
  const refusal = async (...after: string[]): Promise<string> =>
    fixes.build('third', second, third, ...after).then(
      ({ refused }) => refused.map(({ what }) => what).join(),
      (error: SutureError) => `${error.message} ${error.remedy}`,
    );
  assert.equal(await refusal('second'), '');
  fs.cpSync(path.join(fixes.folder, 'first'), path.join(fixes.folder, 'copy'), { recursive: true });
  assert.match(await refusal('second'), /second was built after first, which is in several folders beside/);
  assert.equal(await refusal('second', 'copy'), '');
  fs.rmSync(path.join(fixes.folder, 'copy'), { recursive: true });
  fs.renameSync(path.join(fixes.folder, 'first'), path.join(fixes.tree, 'first'));
  assert.match(await refusal('second'), /in no folder beside .*another --after/);
  assert.equal(await refusal('second', 'tree/first'), '');
  // A tree in none of the states.
  fs.writeFileSync(path.join(fixes.tree, 'one.c'), '#include "all.h"\nint one(int n) { return n + 2; }\n');
  assert.match(
    await refusal('second', 'tree/first'),
    /none of the sources from that before first to that with second/,
  );
});

test('two fixes that know nothing of each other are built on together, if that is what their patches hold', async (t) => {
  const fixes = new Fixes(t, BASE);
  await fixes.record();
  const mine = edited(BASE, 'one.c', 'n + 1', 'n + 5');
  const yours = edited(BASE, 'two.c', 'step(n) + 2', 'step(n) + 3');
  const ours = { ...mine, 'two.c': yours['two.c'] ?? '' };
  assert.deepEqual((await fixes.build('mine', BASE, mine)).refused, []);
  assert.deepEqual((await fixes.build('yours', BASE, yours)).refused, []);
  const third = edited(ours, 'two.c', 'step(n) + 3', 'step(n) + one(n)');
  const { patches, refused } = await fixes.build('third', ours, third, 'yours', 'mine');
  assert.deepEqual(refused, []);
  assert.deepEqual(manifestOf(patches[0]!.file).manifest.requires, ['yours', 'mine']);
  // Of a function that both change only one version can be in force: neither patch holds what both diffs make.
  const again = edited(BASE, 'one.c', 'int one(int n) {', 'int one(int n) {\n  if (n == 77) return 0;\n');
  assert.deepEqual((await fixes.build('again', BASE, again)).refused, []);
  const both = edited(again, 'one.c', 'n + 1', 'n + 5');
  const over = await fixes.build('over', both, edited(both, 'two.c', '+ 2;', '+ 4;'), 'mine', 'again').then(
    ({ refused: said }) => said.map(({ what }) => what).join(),
    (error: SutureError) => error.message,
  );
  assert.match(over, /one in (mine|again) has other code|the tree holds none of the sources/);
});

test('an earlier fix of which --function left something out is no ground to build on', async (t) => {
  const fixes = new Fixes(t, BASE);
  await fixes.record();
  const first = edited(edited(BASE, 'one.c', 'n + 1', 'n + 5'), 'two.c', '+ 2;', '+ 9;');
  const input = path.join(fixes.folder, 'part.input');
  await fixes.build('whole', BASE, first);
  fs.copyFileSync(path.join(fixes.folder, 'whole.input'), input);
  await buildPatchSet({
    dir: fixes.tree,
    id: 'part',
    outDir: path.join(fixes.folder, 'part'),
    diffs: [input],
    functions: ['one'],
    jobs: 2,
  });
  const second = edited(first, 'two.c', '+ 9;', '+ 10;');
  const { refused } = await fixes.build('second', first, second, 'part');
  assert.match(refused[0]?.what ?? '', /part leaves two as it was/);
});

test('the diff beside a patch leads from the base’s source to the fixed one and back', () => {
  const before: Sources = { 'a.c': 'one\ntwo\nthree', 'gone.c': 'x\n', 'd/ü.c': 'caf\xe9\r\nend\r\n' };
  const after: Sources = { 'a.c': 'one\n2\nthree\n', 'new.c': 'y\n', 'd/ü.c': 'caf\xe9\r\nmore\r\nend\r\n' };
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const text = sourceDiff(
    names.map((name) => ({ path: name, original: before[name], patched: after[name] })),
  );
  const made = (files: Sources, reverse: boolean): Sources => {
    const changed = applyDiffs([{ name: 'diff', text, reverse }], reader(files), assert.fail);
    const result: Record<string, string> = { ...files };
    for (const { path: name, patched } of changed) {
      if (patched === undefined) delete result[name];
      else result[name] = patched;
    }
    return result;
  };
  assert.deepEqual(made(before, false), after);
  assert.deepEqual(made(after, true), before);
});
