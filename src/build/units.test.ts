import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { IncludeScan } from './includes.ts';
import { type Project, projectOf } from './project.ts';
import { prerequisites, Toolchain } from './toolchain.ts';
import { reachOf, type TouchedFile } from './units.ts';

function tree(t: TestContext, files: Record<string, string>): string {
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'suture-units-')));
  t.after(() => fs.rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }
  return root;
}

function project(root: string, ...commands: string[]): Project {
  const environment = { PATH: process.env.PATH ?? '' };
  return projectOf({
    root,
    linked: new Map(),
    commands: commands.map((line) => ({ directory: root, arguments: line.split(' '), environment })),
  });
}

const SOURCES = {
  'a.c': '#include "inc/one.h"\nint a(void) { return ONE; }',
  'b.c': '#include <two.h>\nint b(void) { return 2; }',
  'c.c': '#if 0\n#include "inc/one.h"\n#endif\nint c(void) { return 3; }',
  'd.c': '#define H "inc/one.h"\n#include H\nint d(void) { return ONE; }',
  'e.c': 'int e(void) { return 5; }',
  'inc/one.h': '#include "deep.h"\n#define ONE 1\n',
  'inc/deep.h': '',
  'inc/two.h': '#include "one.h"\n',
  'f.S': '#include "inc/one.h"\n',
};
const COMMANDS = [...'abcde'].map((letter) => `gcc -Iinc -c ${letter}.c -o ${letter}.o`);

async function reach(root: string, built: Project, ...names: (string | TouchedFile)[]) {
  const touched = names.map(
    (name): TouchedFile =>
      typeof name === 'string' ? { path: name, absolute: path.join(root, name), kind: 'changed' } : name,
  );
  const found = await reachOf(touched, built.units, new Toolchain(root, new AbortController().signal), 2);
  return { ...found, names: found.units.map((unit) => unit.sourceArgument).sort() };
}

test('a header reaches the units that read it, through other headers and macros, and no others', async (t) => {
  const root = tree(t, SOURCES);
  const built = project(root, ...COMMANDS);
  assert.deepEqual((await reach(root, built, 'inc/one.h')).names, ['a.c', 'b.c', 'd.c']);
  assert.deepEqual((await reach(root, built, 'inc/deep.h')).names, ['a.c', 'b.c', 'd.c']);
  assert.deepEqual((await reach(root, built, 'inc/two.h')).names, ['b.c']);
  assert.deepEqual((await reach(root, built, 'e.c', 'inc/two.h')).names, ['b.c', 'e.c']);
});

test('a source compiled twice is two units; a file that nothing reads is said', async (t) => {
  const root = tree(t, { ...SOURCES, README: 'x' });
  const built = project(root, 'gcc -c e.c -o e.o', 'gcc -fPIC -c e.c -o e.lo');
  const found = await reach(root, built, 'e.c', 'README');
  assert.equal(found.units.length, 2);
  assert.deepEqual(
    found.unread.map((file) => file.path),
    ['README'],
  );
});

test('assembler, generated, deleted and LTO sources are refused', async (t) => {
  const root = tree(t, { ...SOURCES, 'g.y': '%%' });
  const what = async (command: string, file: string | TouchedFile) =>
    (await reach(root, project(root, command), file)).refused.map((each) => each.what).join();
  assert.match(await what('gcc -c f.S', 'f.S'), /assembler/);
  assert.match(await what('gcc -c e.c', 'g.y'), /generates/);
  assert.match(await what('gcc -flto -c e.c', 'e.c'), /-flto/);
  assert.match(
    await what('gcc -c e.c', { path: 'e.c', absolute: path.join(root, 'e.c'), kind: 'deleted' }),
    /deletes/,
  );
});

test('a precompiled header that hides the change is refused', async (t) => {
  const root = tree(t, { ...SOURCES, 'pre.h': '#include "inc/one.h"\n' });
  const { execFileSync } = await import('node:child_process');
  execFileSync('gcc', ['-Iinc', 'pre.h', '-o', 'pre.h.gch'], { cwd: root });
  const found = await reach(root, project(root, 'gcc -Iinc -include pre.h -c e.c'), 'inc/one.h');
  assert.match(found.refused.map((each) => each.what).join(), /precompiled/);
});

test('a new header counts by its name', (t) => {
  const root = tree(t, SOURCES);
  const scan = new IncludeScan([], [path.join(root, 'new/two.h')]);
  const units = project(root, ...COMMANDS).units;
  assert.deepEqual(
    units.filter((unit) => scan.mayRead(unit)).map((unit) => unit.sourceArgument),
    ['b.c'],
  );
});

test('make rules are read with their escapes', () => {
  assert.deepEqual(prerequisites('x.o: a.c \\\n b\\ c.h d$$.h \\\n e\\#.h\n'), [
    'a.c',
    'b c.h',
    'd$.h',
    'e#.h',
  ]);
});

test('a comment that names a source does not make the units of a computed include read it', (t) => {
  const root = tree(t, {
    'told.c': '#include NAMED\n/* as in other.c */ // see "other.c"\nchar *link = "http://x"; \n',
    'named.c': '#include NAMED\nchar *x = "//";\n#define TEXT "other.c"\n',
    'other.c': '',
  });
  const built = project(root, 'gcc -c told.c -o told.o', 'gcc -c named.c -o named.o');
  const scan = new IncludeScan([path.join(root, 'other.c')], []);
  assert.deepEqual(
    built.units.filter((unit) => scan.mayRead(unit)).map((unit) => path.basename(unit.source)),
    ['named.c'],
  );
});

test('directives are found however they are written', (t) => {
  const wanted = 'inc/deep.h';
  const lines = {
    blanks: '  #\t include\t"deep.h"',
    digraph: '%:include "deep.h"',
    trigraph: '??=include "deep.h"',
    'split digraph': '%\\\n:include "deep.h"',
    continued: 'int a;\n#include \\\n  <deep.h>',
    'continued in the word': '#inc\\\r\nlude "deep.h"',
    'behind the mark': '#\\\n include "deep.h"',
    defined: '#define \\\n  H <deep.h>',
    imported: '#import "deep.h"',
    none: 'int a; #include "deep.h"',
    'no directive': 'char *a = "deep.h";',
  };
  const names = Object.keys(lines);
  const root = tree(t, {
    ...SOURCES,
    ...Object.fromEntries(names.map((name, i) => [`line${i}.c`, `${lines[name as keyof typeof lines]}\n`])),
  });
  const { units } = project(root, ...names.map((_, i) => `gcc -Iinc -c line${i}.c -o line${i}.o`));
  const scan = new IncludeScan([path.join(root, wanted)], []);
  assert.deepEqual(
    names.filter(
      (_, i) => !scan.mayRead(units.find(({ source }) => path.basename(source) === `line${i}.c`)!),
    ),
    ['none', 'no directive'],
  );
});

test('a computed include and the name of the file count together, in whatever order units are asked', (t) => {
  const root = tree(t, {
    'inc/wanted.h': '',
    'inc/computed.h': '#include NAMED\n#include "plain.h"\n',
    'inc/naming.h': '/* */ char *wanted;\n#include "plain.h"\n',
    'inc/plain.h': '',
    'a.c': '#include "computed.h"\n',
    'b.c': '#include "naming.h"\n',
    'c.c': '#include "naming.h"\n#include "computed.h"\n',
    'd.c': '#include "plain.h"\n#include "naming.h"\n',
  });
  const { units } = project(root, ...[...'abcd'].map((name) => `gcc -Iinc -c ${name}.c -o ${name}.o`));
  for (const order of [units, [...units].reverse()]) {
    const scan = new IncludeScan([path.join(root, 'inc/wanted.h')], []);
    const found = order.filter((unit) => scan.mayRead(unit)).map(({ sourceArgument }) => sourceArgument);
    assert.deepEqual(found, ['c.c']);
  }
});
