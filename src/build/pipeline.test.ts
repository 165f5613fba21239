import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { SutureError } from '../base/errors.ts';
import { silent } from '../base/progress.ts';
import { readPatch } from '../patch/reader.ts';
import { buildPatchSet } from './pipeline.ts';
import { record } from './recorder.ts';
import type { BuildOptions } from './result.ts';

const MAIN = `#include <stdio.h>
#include <assert.h>
#include "limit.h"
int limit(int n);
static int hits;
__attribute__((noinline)) static int twice(int n) { hits++; return n * 2; }
__attribute__((noinline)) int checked(int n) { assert(n > __LINE__ - 1000); return n; }
int main(int argc, char **argv) { (void)argv; printf("%d %d\\n", limit(twice(argc)), checked(argc)); return 0; }
`;
const FILES = {
  Makefile:
    'CFLAGS = -O2 -g\nprog: main.o sub/limit.o\n\t$(CC) -o $@ $^\n%.o: %.c limit.h\n\t$(CC) $(CFLAGS) -I. -c -o $@ $<\n',
  'main.c': MAIN,
  'limit.h': '#define MOST 10\n',
  'sub/limit.c': '#include "limit.h"\nint limit(int n) {\n  return n < 100 ? n : 100;\n}\n',
};

class Tree {
  readonly folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'suture-pipeline-')));
  readonly root = path.join(this.folder, 'tree');
  readonly out = path.join(this.folder, 'out');

  constructor(t: TestContext, files: Record<string, string> = FILES) {
    t.after(() => fs.rmSync(this.folder, { recursive: true, force: true }));
    for (const [name, text] of Object.entries(files)) this.write(this.root, name, text);
  }

  write(root: string, name: string, text: string): void {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }

  /** The unified diff that turns each file into what `change` makes of it. */
  diff(changes: Record<string, (text: string) => string>): string {
    for (const [name, change] of Object.entries(changes)) {
      const present = path.join(this.root, name);
      const text = fs.existsSync(present) ? fs.readFileSync(present, 'utf8') : '';
      if (text !== '') this.write(path.join(this.folder, 'a'), name, text);
      this.write(path.join(this.folder, 'b'), name, change(text));
    }
    let out = '';
    try {
      fs.mkdirSync(path.join(this.folder, 'a'), { recursive: true });
      execFileSync('diff', ['-ruN', 'a', 'b'], { cwd: this.folder, encoding: 'utf8' });
    } catch (error) {
      out = (error as { stdout: string }).stdout;
    }
    for (const side of ['a', 'b']) fs.rmSync(path.join(this.folder, side), { recursive: true, force: true });
    const file = path.join(this.folder, 'fix.diff');
    fs.writeFileSync(file, out);
    return file;
  }

  options(diff: string, more: Partial<BuildOptions> = {}): BuildOptions {
    return { dir: this.root, id: 'fix-1', outDir: this.out, diffs: [diff], functions: [], jobs: 2, ...more };
  }

  /** Content, mode and time of every file outside of the state folder. */
  state(): string {
    const hash = createHash('sha256');
    for (const name of fs.readdirSync(this.root, { recursive: true, encoding: 'utf8' }).sort()) {
      const stat = fs.lstatSync(path.join(this.root, name), { bigint: true });
      if (name.startsWith('.suture') || !stat.isFile()) continue;
      hash
        .update(`${name} ${stat.mode} ${stat.mtimeNs}\0`)
        .update(fs.readFileSync(path.join(this.root, name)));
    }
    return hash.digest('hex');
  }
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

async function recorded(t: TestContext, files?: Record<string, string>): Promise<Tree> {
  const tree = new Tree(t, files);
  assert.equal((await record(['make', '-s', '-j2'], tree.root)).exitCode, 0);
  return tree;
}

async function failure(options: BuildOptions): Promise<SutureError> {
  try {
    await buildPatchSet(options);
  } catch (error) {
    assert.ok(error instanceof SutureError, String((error as Error).stack));
    return error;
  }
  return assert.fail('the build succeeded');
}

const addLine = (text: string): string =>
  text.replace('static int hits;', 'static int hits;\n/* a line\n   or two */');

// A compiler or assembler that nobody waits for would go on beside the next command.
afterEach(() => {
  const node = process as unknown as { _getActiveHandles(): Partial<ChildProcess>[] };
  const left = node
    ._getActiveHandles()
    .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  assert.deepEqual(
    left.map(({ spawnargs }) => spawnargs),
    [],
  );
});

test('a fix to one function gives a patch with that function, also when lines move', async (t) => {
  const tree = await recorded(t);
  const before = tree.state();
  const diff = tree.diff({ 'main.c': (text) => addLine(text).replace('n * 2', 'n * 3') });
  const result = await buildPatchSet(tree.options(diff));
  assert.deepEqual(result.refused, []);
  assert.deepEqual(
    result.patches.map((patch) => patch.functions.map(({ name, unit, kind }) => `${kind} ${name} ${unit}`)),
    [['changed twice main.c']],
  );
  assert.equal(tree.state(), before);
  const file = result.patches[0]!.file;
  const patch = readPatch(fs.readFileSync(file), sha256, file);
  assert.equal(patch.manifest.id, 'fix-1');
  assert.equal(patch.manifest.target.file, 'prog');
  const again = await buildPatchSet(tree.options(diff, { outDir: path.join(tree.folder, 'again') }));
  assert.deepEqual(fs.readFileSync(again.patches[0]!.file), fs.readFileSync(file));
});

test('the same input gives the same bytes, in another folder and at another time', async (t) => {
  // With -g the base itself would differ: it names the folder it was compiled in.
  const files = { ...FILES, Makefile: FILES.Makefile.replace('-O2 -g', '-O2') };
  const patches: { name: string; bytes: Buffer }[] = [];
  for (const [jobs, modified] of [
    [1, 1_000_000_000],
    [4, 1_700_000_000],
  ] as const) {
    const tree = new Tree(t, files);
    for (const name of Object.keys(files)) fs.utimesSync(path.join(tree.root, name), modified, modified);
    assert.equal((await record(['make', '-s'], tree.root)).exitCode, 0);
    const diff = tree.diff({
      'main.c': (text) => addLine(text).replace('n * 2', 'n * 3 + (int)sizeof "new"'),
      'sub/limit.c': (text) =>
        text
          .replace('int limit', 'static int worst;\nint limit')
          .replace('return', 'if (n > worst) worst = n;\n  return worst +'),
    });
    const result = await buildPatchSet(tree.options(diff, { jobs }));
    assert.equal(result.patches.length, 1);
    assert.equal(result.patches[0]?.functions.length, 2);
    const { file } = result.patches[0]!;
    patches.push({ name: path.basename(file), bytes: fs.readFileSync(file) });
    // Seconds in any header would differ.
    await new Promise((resolve) => setTimeout(resolve, 1100));
  }
  assert.equal(patches[0]?.name, patches[1]?.name);
  assert.deepEqual(patches[0]?.bytes, patches[1]?.bytes);
});

test('a changed header reaches another folder’s unit', async (t) => {
  const tree = await recorded(t, { ...FILES, 'sub/limit.c': FILES['sub/limit.c'].replaceAll('100', 'MOST') });
  const result = await buildPatchSet(tree.options(tree.diff({ 'limit.h': () => '#define MOST 5\n' })));
  assert.deepEqual(
    result.patches[0]?.functions.map(({ name }) => name),
    ['limit'],
  );
});

test('moved lines and comments alone give no patch', async (t) => {
  const tree = await recorded(t);
  const error = await failure(tree.options(tree.diff({ 'main.c': addLine })));
  assert.equal(error.code, 'NO_CHANGE');
  assert.equal(fs.existsSync(tree.out), false);
});

test('--function takes what it names, and an unknown name says what there is', async (t) => {
  const tree = await recorded(t);
  const diff = tree.diff({
    'main.c': (text) => text.replace('n * 2', 'n * 3').replace('return n;', 'return n + 7;'),
  });
  const result = await buildPatchSet(tree.options(diff, { functions: ['tw?ce'] }));
  assert.deepEqual(
    result.patches[0]?.functions.map(({ name }) => name),
    ['twice'],
  );
  assert.match(result.patches[0]?.warnings.join() ?? '', /left out by --function: .*checked/);
  assert.match((await failure(tree.options(diff, { functions: ['nothing'] }))).message, /twice/);
});

test('--function brings the changed functions that the compiler saw together with the named one', async (t) => {
  const files = {
    Makefile: 'prog: main.c\n\t$(CC) -O2 -o $@ main.c\n',
    'main.c':
      '__attribute__((noinline)) static int inner(int n) { return n * 2; }\n' +
      '__attribute__((noinline)) int outer(int n) { return inner(n) + 1; }\n' +
      '__attribute__((noinline)) int apart(int n) { return n + 3; }\n' +
      'int main(int c, char **v) { (void)v; return outer(c) + apart(c); }\n',
  };
  const tree = await recorded(t, files);
  const diff = tree.diff({
    'main.c': (text) => text.replace('n * 2', 'n * 3').replace('+ 1', '- 1').replace('+ 3', '+ 4'),
  });
  for (const [wanted, brought] of [
    ['outer', 'inner'],
    ['inner', 'outer'],
  ] as const) {
    const { patches } = await buildPatchSet(tree.options(diff, { functions: [wanted] }));
    assert.deepEqual(
      new Map(patches[0]?.functions.map(({ name, reason }) => [name, /compiled together/.test(reason)])),
      new Map([
        ['inner', brought === 'inner'],
        ['outer', brought === 'outer'],
      ]),
    );
    const warnings = patches[0]?.warnings.join('\n') ?? '';
    assert.ok(warnings.includes(`${brought} comes along: it was compiled together with ${wanted}`), warnings);
    assert.match(warnings, /left out by --function: apart/);
  }
});

test('a fix that does not compile leaves the tree as it was, and the messages name lines of the fixed file', async (t) => {
  const tree = await recorded(t);
  const before = tree.state();
  const diff = tree.diff({ 'main.c': (text) => addLine(text).replace('return n;', 'return no_such_thing;') });
  const error = await failure(tree.options(diff));
  assert.equal(error.code, 'COMPILE');
  assert.match(error.message, /patched main\.c/);
  assert.match(error.message, /main\.c:9:/);
  assert.equal(tree.state(), before);
  assert.equal(fs.existsSync(tree.out), false);
});

test('a source that changed since it was recorded is not what the base runs', async (t) => {
  const tree = await recorded(t);
  const source = path.join(tree.root, 'main.c');
  fs.writeFileSync(source, MAIN.replace('hits++;', 'hits += 2;'));
  const result = await buildPatchSet(
    tree.options(tree.diff({ 'main.c': (text) => text.replace('n * 2', 'n * 3') })),
  );
  assert.match(result.refused.map(({ what }) => what).join(), /not what its source compiles to/);
  assert.equal(fs.existsSync(tree.out), false);
});

test('a changed initial value is refused with the variable’s name', async (t) => {
  const tree = await recorded(t, { ...FILES, 'main.c': MAIN.replace('static int hits;', 'int hits = 5;') });
  const result = await buildPatchSet(
    tree.options(tree.diff({ 'main.c': (text) => text.replace('hits = 5', 'hits = 6') })),
  );
  assert.match(result.refused[0]?.what ?? '', /initial value of hits/);
  assert.match(result.refused[0]?.where ?? '', /^main\.c:\d+$/);
  assert.deepEqual(result.patches, []);
});

test('--accept-data leaves live data as it is, and says so', async (t) => {
  const source = `#include <stdio.h>
int hits = 5;
static const int table[4] = {1, 2, 3, 4};
__attribute__((noinline)) int first(int n) { return table[n & 3]; }
__attribute__((noinline)) int second(int n) { hits += n; return n + 1; }
int main(int argc, char **argv) { (void)argv; return first(argc) + second(argc); }
`;
  const tree = await recorded(t, {
    Makefile: 'prog: main.c\n\t$(CC) -O2 -o $@ main.c\n',
    'main.c': source,
  });
  const value = tree.diff({ 'main.c': (text) => text.replace('hits = 5', 'hits = 6').replace('+ 1', '+ 2') });
  const refused = await buildPatchSet(tree.options(value));
  assert.match(refused.refused[0]?.remedy ?? '', /--accept-data hits/);
  const { patches } = await buildPatchSet(tree.options(value, { acceptData: ['hi?s', 'nothing'] }));
  assert.deepEqual(
    patches[0]?.functions.map(({ name }) => name),
    ['second'],
  );
  assert.match(patches[0]?.warnings.join() ?? '', /accepted: the initial value of hits changes/);

  const only = tree.diff({ 'main.c': (text) => text.replace('hits = 5', 'hits = 6') });
  const said: string[] = [];
  const progress = { ...silent, warn: (text: string) => said.push(text) };
  await assert.rejects(
    buildPatchSet(tree.options(only, { acceptData: ['hits', 'nothing'] }), progress),
    /same code/,
  );
  assert.match(said.join('\n'), /accepted: the initial value of hits/);
  assert.match(said.join('\n'), /--accept-data nothing accepts nothing/);
});

test('another size is never accepted as content', async (t) => {
  const tree = await recorded(t, {
    ...FILES,
    'main.c': MAIN.replace('static int hits;', 'int hits[4];').replace('hits++', 'hits[n & 3]++'),
  });
  const result = await buildPatchSet(
    tree.options(
      tree.diff({ 'main.c': (text) => text.replace('hits[4]', 'hits[8]').replace('n & 3', 'n & 7') }),
      { acceptData: ['hits'] },
    ),
  );
  assert.match(result.refused[0]?.what ?? '', /size or layout of hits/);
  assert.deepEqual(result.patches, []);
});

test('a changed struct is refused with the field, once for all units; other types are warned of', async (t) => {
  const type = (fields: string): string =>
    `struct session { int id; ${fields} };\nenum state { IDLE, MOST };\n`;
  const files = {
    ...FILES,
    'limit.h': type('long since;'),
    'main.c': MAIN.replace('static int hits;', 'struct session live; enum state state; static int hits;'),
    'sub/limit.c':
      '#include "limit.h"\nint limit(int n) { static struct session s; s.since = n; return (int)s.since; }\n',
  };
  const tree = await recorded(t, files);
  const fields = await buildPatchSet(
    tree.options(
      tree.diff({ 'limit.h': () => type('int new; long since;').replace('id;', 'id; char c[4];') }),
    ),
  );
  const layouts = fields.refused.filter(({ what }) => /struct session/.test(what));
  assert.equal(layouts.length, 1);
  assert.match(layouts[0]?.where ?? '', /limit\.h:1$/);
  assert.match(layouts[0]?.what ?? '', /16 bytes become 24: .*new is new/);
  const accepted = await buildPatchSet(
    tree.options(
      tree.diff({
        'limit.h': (text) => text.replace('long since;', 'int more; long since;'),
        'main.c': (text) => text.replace('n * 2', 'n * 3'),
      }),
      { acceptLayout: ['session'] },
    ),
  );
  assert.deepEqual(accepted.refused, []);
  assert.match(accepted.patches[0]?.warnings.join() ?? '', /accepted: the layout of struct session changes/);
  const values = await buildPatchSet(
    tree.options(
      tree.diff({
        'limit.h': (text) => text.replace('IDLE', 'IDLE, BUSY'),
        'main.c': (text) => text.replace('n * 2', 'n * 3'),
      }),
    ),
  );
  assert.match(values.patches[0]?.warnings.join() ?? '', /enum state change/);
});

test('without a record: nothing known, make, and a compilation database', async (t) => {
  const bare = new Tree(t, { 'main.c': MAIN });
  const error = await failure(bare.options(bare.diff({ 'main.c': addLine })));
  assert.equal(error.code, 'NO_RECORD');
  assert.deepEqual(fs.readdirSync(bare.root), ['main.c']);

  const made = new Tree(t);
  const fix = (text: string): string => text.replace('n * 2', 'n * 3');
  const built = await buildPatchSet(made.options(made.diff({ 'main.c': fix })));
  assert.deepEqual(
    built.patches[0]?.functions.map(({ name }) => name),
    ['twice'],
  );

  const database = new Tree(t, FILES);
  execFileSync('make', ['-s'], { cwd: database.root });
  const command = (file: string) => ({
    directory: database.root,
    file,
    command: `cc -O2 -g -I. -c -o ${file.replace(/c$/, 'o')} ${file}`,
  });
  fs.writeFileSync(
    path.join(database.root, 'compile_commands.json'),
    JSON.stringify([command('main.c'), command('sub/limit.c')]),
  );
  const found = await buildPatchSet(database.options(database.diff({ 'main.c': fix })));
  assert.deepEqual(
    found.patches.map(({ object }) => path.basename(object)),
    ['prog'],
  );
  assert.equal(fs.existsSync(path.join(database.root, '.suture/record.json')), false);
});

test('compiled and linked in one command; two units of the same name; --target', async (t) => {
  const files = {
    Makefile:
      'prog: one/x.c two/x.c\n\t$(CC) -O2 -o prog one/x.c two/x.c\nother: one/x.c two/x.c\n\t$(CC) -O1 -o other one/x.c two/x.c\nall: prog other\n',
    'one/x.c':
      '#include <stdio.h>\nint two(int);\n__attribute__((noinline)) static int step(int n) { return n % 7 + 1; }\nint main(int c, char **v) { (void)v; printf("%d", step(c) + two(c)); return 0; }\n',
    'two/x.c':
      '__attribute__((noinline)) static int step(int n) { return n % 9 + 20; }\nint two(int n) { return step(n) ^ 5; }\n',
  };
  const tree = new Tree(t, files);
  await record(['make', '-s', 'all'], tree.root);
  const diff = tree.diff({ 'two/x.c': (text) => text.replace('+ 20', '* 20') });
  const names = async (more: Partial<BuildOptions>) =>
    (await buildPatchSet(tree.options(diff, more))).patches
      .map(
        ({ object, functions }) =>
          `${path.basename(object)}: ${functions.map(({ name, unit }) => `${name} ${unit}`)}`,
      )
      .sort();
  assert.deepEqual(await names({}), ['other: step two/x.c', 'prog: step two/x.c']);
  assert.deepEqual(await names({ target: path.join(tree.root, 'prog') }), ['prog: step two/x.c']);
});

test('archives: only objects that took the unit get a patch', async (t) => {
  const files = {
    Makefile:
      'all: uses not\nuses: uses.o lib.a\n\t$(CC) -o $@ $^\nnot: not.o lib.a\n\t$(CC) -o $@ $^\nlib.a: x.o y.o\n\tar rc $@ $^\n%.o: %.c\n\t$(CC) -O2 -c -o $@ $<\n',
    'x.c': 'int x(int n) { return n % 7 + 1; }\n',
    'y.c': 'int y(int n) { return n % 7 + 2; }\n',
    'uses.c': 'int x(int); int main(int c, char **v) { (void)v; return x(c); }\n',
    'not.c': 'int y(int); int main(int c, char **v) { (void)v; return y(c); }\n',
  };
  const tree = await recorded(t, files);
  const { patches } = await buildPatchSet(
    tree.options(tree.diff({ 'x.c': (text) => text.replace('+ 1', '* 5') })),
  );
  assert.deepEqual(
    patches.map(({ object }) => path.basename(object)),
    ['uses'],
  );
});

const SLOW_COMPILER = `#!/bin/sh
signs=\${0%/*}/../..
if grep -q SLOW main.c; then
  touch "$signs/reached"
  while [ ! -e "$signs/fast" ]; do sleep 0.1; done
fi
exec gcc "$@"
`;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
  test(`${signal} while the tree is changed: it is put back${signal === 'SIGKILL' ? ' by the next command' : ''}`, async (t) => {
    const tree = new Tree(t, {
      ...FILES,
      // A compiler that is slow for the patched source only, so that the signal comes in the middle.
      'bin/slow-gcc': SLOW_COMPILER,
    });
    fs.chmodSync(path.join(tree.root, 'bin/slow-gcc'), 0o755);
    await record(['make', '-s', `CC=${tree.root}/bin/slow-gcc`], tree.root);
    const before = tree.state();
    const diff = tree.diff({ 'main.c': (text) => text.replace('n * 2', 'n * 3 /* SLOW */') });
    const module = pathToFileURL(path.join(import.meta.dirname, 'pipeline.ts')).href;
    const code = `import { buildPatchSet } from ${JSON.stringify(module)}; await buildPatchSet(${JSON.stringify(tree.options(diff))});`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      stdio: ['ignore', 'inherit', 'inherit'],
      cwd: import.meta.dirname,
    });
    for (let i = 0; i < 800 && !fs.existsSync(path.join(tree.folder, 'reached')); i++)
      await new Promise((resolve) => setTimeout(resolve, 25));
    assert.ok(fs.existsSync(path.join(tree.folder, 'reached')), 'the patched source is being compiled');
    assert.match(fs.readFileSync(path.join(tree.root, 'main.c'), 'utf8'), /SLOW/);
    child.kill(signal);
    const [, endedBy] = await once(child, 'exit');
    assert.equal(endedBy, signal);
    fs.writeFileSync(path.join(tree.folder, 'fast'), '');
    if (signal !== 'SIGKILL') assert.equal(tree.state(), before);
    const { patches } = await buildPatchSet(tree.options(diff));
    assert.equal(patches.length, 1);
    assert.equal(tree.state(), before);
  });
}
