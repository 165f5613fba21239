import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { SutureError } from '../base/errors.ts';
import { openBase } from './open-base.ts';
import { buildPatchSet } from './pipeline.ts';
import { record } from './recorder.ts';

const MAIN = `#include <stdio.h>
static int hits;
__attribute__((noinline)) static int twice(int n) { hits++; return n * 2; }
__attribute__((noinline)) int other(int n) { return n + 3; }
int main(int c, char **v) { (void)v; printf("%d %d %d\\n", twice(c), other(c), hits); return 0; }
`;

class Place {
  readonly folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'suture-base-')));
  readonly tree = path.join(this.folder, 'tree');
  readonly diff = path.join(this.folder, 'fix.diff');

  constructor(t: TestContext) {
    t.after(() => fs.rmSync(this.folder, { recursive: true, force: true }));
    fs.mkdirSync(this.tree);
    fs.writeFileSync(path.join(this.tree, 'main.c'), MAIN);
    fs.writeFileSync(
      this.diff,
      `--- a/main.c\n+++ b/main.c\n@@ -3,1 +3,1 @@\n-${MAIN.split('\n')[2]}\n+${MAIN.split('\n')[2]!.replace('* 2', '* 5')}\n`,
    );
  }

  in(...names: string[]): string {
    return path.join(this.folder, ...names);
  }

  /** Links the tree's source, or `text`, elsewhere. */
  link(name: string, text = MAIN, ...flags: string[]): string {
    fs.mkdirSync(path.dirname(this.in(name)), { recursive: true });
    const source = this.in('elsewhere.c');
    fs.writeFileSync(source, text);
    execFileSync('gcc', ['-O2', '-g', ...flags, '-o', this.in(name), source]);
    return this.in(name);
  }

  async recorded(): Promise<void> {
    assert.equal((await record(['gcc', '-O2', '-g', '-o', 'prog', 'main.c'], this.tree)).exitCode, 0);
  }

  build(target: string, debug?: string) {
    return buildPatchSet({
      dir: this.tree,
      id: 'fix',
      outDir: this.in('out'),
      diffs: [this.diff],
      functions: [],
      jobs: 1,
      target,
      ...(debug === undefined ? {} : { debug }),
    });
  }
}

const buildIdOf = (file: string): string =>
  /Build ID: ([0-9a-f]+)/.exec(execFileSync('readelf', ['-n', file], { encoding: 'utf8' }))![1]!;

function refused(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SutureError, String(error));
    assert.equal(error.code, 'REFUSED');
    assert.match(error.message, pattern);
    return true;
  };
}

test('a stripped target from elsewhere with its separate debug file', async (t) => {
  const place = new Place(t);
  await place.recorded();
  const target = place.link('bin/server');
  const debug = place.in('server.debug');
  execFileSync('objcopy', ['--only-keep-debug', target, debug]);
  execFileSync('strip', [target]);
  const { patches, refused: no } = await place.build(target, debug);
  assert.deepEqual(no, []);
  assert.equal(patches[0]?.buildId, buildIdOf(target));
  assert.notEqual(patches[0]?.buildId, buildIdOf(path.join(place.tree, 'prog')));
  assert.deepEqual(
    patches[0]?.functions.map(({ name }) => name),
    ['twice'],
  );
  const foreign = place.link('foreign', `${MAIN}int more;\n`);
  execFileSync('objcopy', ['--only-keep-debug', foreign, place.in('foreign.debug')]);
  await assert.rejects(place.build(target, place.in('foreign.debug')), refused(/belongs to another build/));
});

test('the debug file is found by build id and by .gnu_debuglink', (t) => {
  const place = new Place(t);
  const target = place.link('bin/server');
  const debug = place.in('bin/.debug/server.debug');
  fs.mkdirSync(path.dirname(debug));
  execFileSync('objcopy', ['--only-keep-debug', target, debug]);
  execFileSync('strip', [target]);
  const sources = { rebuilt: [], debugRoot: place.in('debug') };
  assert.throws(() => openBase(target, sources), refused(/is stripped/));
  const id = buildIdOf(target);
  const byId = place.in('debug/.build-id', id.slice(0, 2), `${id.slice(2)}.debug`);
  fs.mkdirSync(path.dirname(byId), { recursive: true });
  fs.copyFileSync(debug, byId);
  assert.equal(openBase(target, sources).symbolsFrom, byId);
  fs.rmSync(byId);
  execFileSync('objcopy', [`--add-gnu-debuglink=${debug}`, target]);
  assert.equal(openBase(target, sources).symbolsFrom, debug);
});

test('a stripped target is resolved by the recorded build when that is the same code', async (t) => {
  const place = new Place(t);
  await place.recorded();
  const target = place.link('bin/server');
  assert.notEqual(buildIdOf(target), buildIdOf(path.join(place.tree, 'prog')));
  execFileSync('strip', [target]);
  const { patches, refused: no } = await place.build(target);
  assert.deepEqual(no, []);
  assert.equal(patches[0]?.buildId, buildIdOf(target));
});

test('a target of other code is refused with the functions that differ', async (t) => {
  const place = new Place(t);
  await place.recorded();
  const target = place.link('bin/server', MAIN.replace('n + 3', 'n + 4'));
  execFileSync('strip', [target]);
  await assert.rejects(place.build(target), refused(/different are other$/));
  await assert.rejects(
    place.build(target, path.join(place.tree, 'prog')),
    refused(/server is not the code of .*prog: different are other$/),
  );
  const moved = place.link('bin/moved', MAIN, '-O1');
  execFileSync('strip', [moved]);
  await assert.rejects(place.build(moved), refused(/different are .*(twice|main)/));
});

test('an unstripped target that holds nothing of the changed unit is refused', async (t) => {
  const place = new Place(t);
  await place.recorded();
  const target = place.link('bin/server', 'int main(void) { return 0; }\n');
  const { patches, refused: said } = await place.build(target);
  assert.deepEqual(patches, []);
  assert.match(said[0]?.what ?? '', /server contains nothing of main\.c/);
});
