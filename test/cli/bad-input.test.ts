/**
 * Bad input: the right exit code, one clear error with its code and a remedy, no stack trace, and everything as it
 * was: the source tree, the patch folder and the process.
 */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertExit, type Finished, type Program, run, suture, Workspace } from '../programs/harness.ts';

const source = (step: string) =>
  new Map([
    [
      'main.c',
      `#include <stdio.h>
__attribute__((noinline)) int step(int n) { return ${step}; }
void call(int n) { printf("%d\\n", step(n)); }
`,
    ],
  ]);

/** One error, as a person and as a script want it. */
function assertError(finished: Finished, exit: number, says: RegExp, remedy: RegExp = /^ *try: \S/m): void {
  assertExit(finished, exit);
  assert.match(finished.stderr, says);
  assert.match(finished.stderr, remedy);
  assert.doesNotMatch(finished.stderr, /^\s+at .*(\.ts|\.mjs|node:)/m, 'no stack trace');
  assert.doesNotMatch(finished.stdout, /undefined|\[object/);
}

describe('bad input', () => {
  let workspace: Workspace;
  let fix: string;
  let patch: string;
  let program: Program;
  let digest: string;

  before(async () => {
    workspace = new Workspace('bad-input');
    workspace.writeTree(source('n + 1'), ['-O2']);
    fix = await workspace.writeDiff(source('n + 1'), source('n + 2'));
    await workspace.record();
    digest = workspace.digest();
    assertExit(await workspace.build('good', fix), 0);
    patch = join(
      workspace.patches,
      readdirSync(workspace.patches).find((name) => name.endsWith('.kpatch')) ?? 'none',
    );
    program = workspace.start();
    assert.equal(await program.call(1), '2');
  });
  after(() => workspace.close());

  const build = (id: string, ...args: string[]) =>
    suture(['build', '-C', workspace.tree, '--id', id, '-o', join(workspace.folder, `out-${id}`), ...args]);
  const written = (name: string, text: string | Uint8Array): string => {
    const path = join(workspace.folder, name);
    writeFileSync(path, text);
    return path;
  };
  const treeIsAsItWas = () => assert.equal(workspace.digest(), digest, 'the tree is as it was');
  const programIsAsItWas = async () => {
    assert.equal(await program.call(1), '2');
    assert.doesNotMatch(readFileSync(`/proc/${program.pid}/status`, 'utf8'), /TracerPid:\t[1-9]/);
  };

  test('no such process', async () => {
    const ended = await run('sh', ['-c', 'echo $$']); // a pid that was, and is no more
    const pid = ended.stdout.trim();
    for (const words of [
      ['apply', patch],
      ['check', patch],
      ['revert', '--id', 'good'],
    ]) {
      const [verb = '', ...rest] = words;
      const finished = await suture([verb, '--pid', pid, ...rest]);
      assertError(finished, 1, new RegExp(`${pid}.*NO_PROCESS|NO_PROCESS.*${pid}`, 's'));
    }
  });

  test('a pid that is none', async () => {
    for (const pid of ['0', '-1', 'abc', '99999999999999999999', '1.5']) {
      const finished = await suture(['apply', '--pid', pid, patch]);
      assert.notEqual(finished.code, 0, pid);
      assert.ok([1, 2].includes(finished.code), `exit ${finished.code} for ${pid}`);
      assert.doesNotMatch(finished.stderr, /^\s+at /m);
    }
  });

  test("a kernel thread or another user's process is refused by name", async () => {
    const finished = await suture(['apply', '--pid', '1', patch]); // whatever it is, the patch does not fit it
    assert.notEqual(finished.code, 0);
    assert.doesNotMatch(finished.stderr, /^\s+at /m);
  });

  test('not an ELF file', async () => {
    const text = written('not-elf', 'this is text\n');
    const finished = await suture(['build', '-C', workspace.tree, '--id', 'x', '--target', text, fix]);
    assertError(finished, 1, /NOT_ELF|not an ELF/i);
    assert.match(finished.stderr, /not-elf/);
    treeIsAsItWas();
  });

  test('patch files: missing, empty, text, truncated anywhere, damaged, an ELF file of another kind', async () => {
    const whole = readFileSync(patch);
    const damaged = Uint8Array.from(whole);
    damaged[Math.floor(whole.length / 2)]! ^= 0x40;
    const files: Record<string, [string, number]> = {
      empty: [written('empty.kpatch', ''), 5],
      text: [written('text.kpatch', 'hello\n'.repeat(200)), 5],
      elf: [join(workspace.tree, 'prog'), 5],
      object: [join(workspace.tree, 'main.o'), 5],
      damaged: [written('damaged.kpatch', damaged), 5],
      missing: [join(workspace.folder, 'missing.kpatch'), 1],
    };
    for (const part of [0.01, 0.1, 0.5, 0.9, 0.999]) {
      const path = join(workspace.folder, `truncated-${part}.kpatch`);
      copyFileSync(patch, path);
      truncateSync(path, Math.floor(whole.length * part));
      files[`truncated at ${part}`] = [path, 5];
    }
    for (const [what, [path, exit]] of Object.entries(files)) {
      for (const words of [
        ['apply', '--pid', String(program.pid)],
        ['check', '--pid', String(program.pid)],
        ['inspect'],
      ]) {
        const finished = await suture([...words, path]);
        assert.equal(finished.code, exit, `${what}, ${words[0]}: exit ${finished.code}\n${finished.stderr}`);
        assert.match(finished.stderr, exit === 5 ? /BAD_PATCH|FOREIGN_PATCH/ : /missing\.kpatch/, what);
        assert.doesNotMatch(finished.stderr, /^\s+at /m, what);
      }
    }
    await programIsAsItWas();
  });

  test('an output that cannot be written', async () => {
    const file = join(workspace.folder, 'no-such-folder', 'fix.o');
    const finished = await suture(['inspect', '--elf', file, patch]);
    assertExit(finished, 1);
    assert.match(finished.stderr, /cannot write .*fix\.o: ENOENT.*\n {2}try: name a file in a folder/);
  });

  test('a patch for another program, and a folder without patches', async () => {
    const other = new Workspace('bad-input-other');
    try {
      other.writeTree(
        new Map([['main.c', '#include <stdio.h>\nvoid call(int n) { printf("%d\\n", n * 5); }\n']]),
        ['-O2'],
      );
      const built = await run('make', ['-s'], { cwd: other.tree });
      assertExit(built, 0);
      const stranger = other.start();
      const finished = await suture(['apply', '--pid', String(stranger.pid), patch]);
      assertExit(finished, 3);
      assert.equal(await stranger.call(1), '5');
      mkdirSync(join(other.folder, 'no-patches'));
      const nothing = await suture([
        'apply',
        '--pid',
        String(stranger.pid),
        join(other.folder, 'no-patches'),
      ]);
      assert.ok([1, 3].includes(nothing.code), `exit ${nothing.code}: ${nothing.stderr}`);
      assert.match(nothing.stderr + nothing.stdout, /no-patches/);
    } finally {
      await other.close();
    }
  });

  test('a patch that is not applied cannot be reverted; one that is applied is not applied twice', async () => {
    const target = ['--pid', String(program.pid)];
    assertExit(await suture(['revert', ...target, '--id', 'good']), 3);
    assertExit(await suture(['apply', ...target, patch]), 0);
    assertExit(await suture(['apply', ...target, patch]), 3);
    assert.equal(await program.call(1), '3');
    assertExit(await suture(['revert', ...target, '--id', 'good']), 0);
    await programIsAsItWas();
  });

  test('a diff that does not apply', async () => {
    const finished = await build(
      'diff',
      written('wrong.patch', readFileSync(fix, 'utf8').replaceAll('n + 1', 'n + 7')),
    );
    assertError(finished, 1, /main\.c.*DIFF|DIFF.*main\.c/s);
    treeIsAsItWas();
    assert.ok(!existsSync(join(workspace.folder, 'out-diff')), 'no patch folder appears');
  });

  test('a diff that is none, is missing, or names files that do not exist or lie outside', async () => {
    const diff = readFileSync(fix, 'utf8');
    const at = (path: string) => diff.replaceAll(/[ab]\/main\.c/g, path);
    const victim = written('victim.c', readFileSync(join(workspace.tree, 'main.c')));
    const files = {
      text: written('text.patch', 'hello\n'),
      empty: written('empty.patch', ''),
      missing: join(workspace.folder, 'missing.patch'),
      elsewhere: written('elsewhere.patch', at('a/nowhere.c')),
      outside: written('outside.patch', at('../victim.c')),
      outsideBelow: written('outside-below.patch', at('a/../victim.c')),
      absolute: written('absolute.patch', at(victim)),
    };
    for (const [what, path] of Object.entries(files)) {
      const finished = await build('diff', path);
      assert.ok(
        what === 'empty' ? [1, 3].includes(finished.code) : finished.code === 1,
        `${what}: exit ${finished.code} ${finished.stderr}`,
      );
      assert.doesNotMatch(finished.stderr, /^\s+at /m, what);
      treeIsAsItWas();
      assert.doesNotMatch(
        readFileSync(victim, 'utf8'),
        /n \+ 2/,
        `${what}: a file outside the tree is untouched`,
      );
    }
  });

  test('a fix that does not compile', async () => {
    const broken = await workspace.writeDiff(source('n + 1'), source('no_such_thing + '), 'broken.patch');
    const finished = await build('broken', broken);
    assertError(finished, 1, /COMPILE/);
    assert.match(
      finished.stderr,
      /main\.c:\d+/,
      "the compiler's own words are shown, with the place in the fixed file",
    );
    treeIsAsItWas();
  });

  test('a tree that was not recorded and builds with nothing known', async () => {
    const empty = join(workspace.folder, 'unrecorded');
    mkdirSync(empty);
    writeFileSync(join(empty, 'main.c'), [...source('n + 1').values()].join());
    const finished = await suture(['build', '-C', empty, '--id', 'x', fix]);
    assertError(finished, 1, /NO_RECORD/, /suture record/);
    assert.deepEqual(readdirSync(empty), ['main.c']);
  });

  test('a recorded command that fails, or does not exist', async () => {
    const folder = join(workspace.folder, 'failing');
    mkdirSync(folder);
    writeFileSync(join(folder, 'Makefile'), 'all:\n\t@echo no luck >&2; exit 3\n');
    const failed = await suture(['record', '-C', folder, '--', 'make']);
    assertExit(failed, 1);
    assert.match(failed.stderr, /no luck/);
    const missing = await suture(['record', '-C', folder, '--', 'no-such-program']);
    assertError(missing, 1, /no-such-program/);
  });

  test('a base without build id', async () => {
    const bare = new Workspace('bad-input-no-id');
    try {
      bare.writeTree(source('n + 1'), ['-O2', '-Wl,--build-id=none']);
      await bare.record();
      const finished = await suture(['build', '-C', bare.tree, '--id', 'x', '-o', bare.patches, fix]);
      assertError(finished, 6, /build id/i, /--build-id/);
    } finally {
      await bare.close();
    }
  });

  test('a patch folder that cannot be written', async () => {
    const blocked = written('blocked', 'a file where a folder is asked for');
    const finished = await suture(['build', '-C', workspace.tree, '--id', 'x', '-o', blocked, fix]);
    assertError(finished, 1, /blocked/);
    treeIsAsItWas();
  });

  test('wrong options', async () => {
    const wrong = [
      ['frobnicate'],
      ['apply', patch],
      ['apply', '--pid', String(program.pid)],
      ['apply', '--pid', String(program.pid), '--max-stop', 'soon', patch],
      ['apply', '--no-such-flag', patch],
      ['revert', '--pid', String(program.pid)],
      ['build', '-C', workspace.tree, fix],
      ['build', '-C', workspace.tree, '--id', 'has space', fix],
      ['build', '-C', workspace.tree, '--id', '../up', fix],
      ['record'],
    ];
    for (const words of wrong) {
      const finished = await suture(words);
      assert.equal(finished.code, 2, `${words.join(' ')}: exit ${finished.code}\n${finished.stderr}`);
      assert.notEqual(finished.stderr.trim(), '', words.join(' '));
      assert.doesNotMatch(finished.stderr, /^\s+at /m, words.join(' '));
    }
    treeIsAsItWas();
    await programIsAsItWas();
  });
});
