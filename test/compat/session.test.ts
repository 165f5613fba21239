/** A user of LibcarePlus at a shell: its documentation's session, with the output lines that scripts look for. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Program, Workshop } from '../apply/fixture.ts';
import { type Finished, repository, run, Workspace } from '../programs/harness.ts';

const COUNTER = `
#include <stdio.h>
#include <stdlib.h>
int total;
__attribute__((noinline)) int add(int x) { total += x; return total; }
__attribute__((noinline)) int show(int x) { return total * 10 + x * 3; }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    int x = atoi(line);
    int sum = add(x);
    printf("%d %d\\n", sum, show(x));
  }
}
`;
const MAKEFILE = `counter: counter.o
	$(CC) $(LDFLAGS) -Wl,--build-id -o $@ $^
%.o: %.c
	$(CC) -O2 -c -o $@ $<
install: counter
	mkdir -p $(DESTDIR)/usr/bin
	cp counter $(DESTDIR)/usr/bin/counter
clean:
	rm -f counter counter.o
`;
const FILES = new Map([
  ['counter.c', COUNTER],
  ['Makefile', MAKEFILE],
]);

let place: Workspace;
let shop: Workshop;
let buildId: string;
const command = (
  name: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Finished> => run(join(repository, 'bin', name), args, { cwd: place.tree, environment });
const diffOf = (name: string, from: string, to: string): Promise<string> => {
  assert.ok(COUNTER.includes(from));
  return place.writeDiff(
    new Map([['counter.c', COUNTER]]),
    new Map([['counter.c', COUNTER.replace(from, to)]]),
    name,
  );
};
const lines = ({ stdout }: Finished): string[] => stdout.split('\n');
const patchesIn = (folder: string): string[] =>
  readdirSync(folder).filter((name) => name.endsWith('.kpatch'));

before(() => {
  place = new Workspace('session');
  place.write(FILES);
  shop = new Workshop();
});
after(async () => {
  shop[Symbol.dispose]();
  await place.close();
});

test('libcare-patch-make makes a patch of a make project', async () => {
  const first = await diffOf('first.patch', 'total += x;', 'total += 2 * x;');
  const made = await command('libcare-patch-make', ['-c', '-j', '1', '-i', '0001', first]);
  assert.equal(made.code, 0, made.stderr);
  const root = join(place.tree, 'patchroot');
  const [file] = patchesIn(root);
  assert.match(file ?? '', /^[0-9a-f]{40}\.kpatch$/);
  buildId = file!.slice(0, 40);
  const said = lines(made).filter((line) => /^[A-Z]{4}|^applying|^patch for/.test(line));
  assert.deepEqual(said, [
    'BUILDING ORIGINAL CODE',
    `INSTALLING ORIGINAL OBJECTS INTO ${place.tree}/lpmake`,
    `applying ${first}...`,
    'BUILDING PATCHED CODE',
    `INSTALLING PATCHED OBJECTS INTO ${place.tree}/.lpmaketmp/patched`,
    'MAKING PATCHES',
    `patch for ${place.tree}/lpmake/usr/bin/counter is in ${root}/${file}`,
  ]);
  assert.equal(readFileSync(join(place.tree, 'counter.c'), 'utf8'), COUNTER, 'the source is as it was');
});

test('a second one, of another function, into another folder, without building the base again', async () => {
  const second = await diffOf('second.patch', 'x * 3', 'x * 7');
  const made = await command(
    'libcare-patch-make',
    ['--update', '--id', '0002', '--buildid', buildId, second],
    {
      LPMAKE_PATCHROOT: 'second',
    },
  );
  assert.equal(made.code, 0, made.stderr);
  assert.doesNotMatch(made.stdout, /ORIGINAL/);
  assert.deepEqual(patchesIn(join(place.tree, 'second')), [`${buildId}.kpatch`]);
});

test('usage errors and projects that do not build end with an exit code that says so', async () => {
  assert.equal((await command('libcare-patch-make', ['-i', '0001'])).code, 255);
  assert.equal((await command('libcare-patch-make', ['-i', 'far-too-long', 'x.patch'])).code, 255);
  const broken = await diffOf('broken.patch', 'total += x;', 'total += nothing;');
  const { code, stderr } = await command('libcare-patch-make', ['-u', '-i', '9', broken]);
  assert.equal(code, 255);
  assert.match(stderr, /nothing/);
});

test('a tree elsewhere, with a makefile for patches and a variable of its own for the place of installing', async () => {
  const tree = join(place.folder, 'elsewhere');
  mkdirSync(tree);
  writeFileSync(join(tree, 'counter.c'), COUNTER);
  writeFileSync(join(tree, 'Makefile'), 'all install:\n\tfalse\n');
  writeFileSync(join(tree, 'lpmakefile'), MAKEFILE.replaceAll('DESTDIR', 'INSTALL_ROOT'));
  const diff = await diffOf('elsewhere.patch', 'x * 3', 'x * 9');
  const made = await command('libcare-patch-make', [
    '-s',
    tree,
    '-d',
    'INSTALL_ROOT',
    '-j1',
    '-i',
    '7',
    diff,
  ]);
  assert.equal(made.code, 0, made.stderr);
  const [file] = patchesIn(join(tree, 'patchroot'));
  const program = shop.start(join(tree, 'lpmake/usr/bin/counter'));
  assert.equal(await program.ask('1'), '1 13');
  const words = ['patch', '-p', String(program.pid), join(tree, 'patchroot', file ?? '')];
  assert.equal((await command('libcare-ctl', words)).code, 0);
  assert.equal(await program.ask('1'), '2 29');
});

test('libcare-dump shows the header and writes the object', async () => {
  const file = join(place.tree, 'patchroot', `${buildId}.kpatch`);
  const { code, stdout } = await command('libcare-dump', ['-H', '-i', file]);
  assert.equal(code, 0);
  assert.deepEqual(stdout.split('\n'), [
    'Patch Name:              counter',
    'Magic:                   KPATCH1',
    'Patch id:                0001',
    `buildid:                 ${buildId}`,
    '',
  ]);
  const object = join(place.folder, 'inside.o');
  assert.equal((await command('libcare-dump', ['-c', '-i', file, '-o', object])).code, 0);
  assert.deepEqual(readFileSync(object), readFileSync(file).subarray(504));
  assert.equal((await command('libcare-dump', ['-H'])).code, 255);
  assert.equal((await command('libcare-dump', ['-H', '-i', join(place.tree, 'counter')])).code, 255);
});

async function started(): Promise<Program> {
  const program = shop.start(join(place.tree, 'lpmake/usr/bin/counter'));
  assert.equal(await program.ask('1'), '1 13');
  return program;
}

const info = (pid: number, ids: readonly string[]): string =>
  [
    `Pid:                     ${pid}`,
    'Target:                  counter',
    `Build id:                ${buildId}`,
    `Applied patch number:    ${ids.length}`,
    ...ids.map((id) => `Patch id:                ${id}`),
    '',
    '',
  ].join('\n');

test('patch by file and by folder, info, unpatch in the order in which they came', async () => {
  const program = await started();
  const pid = String(program.pid);
  const file = join(place.tree, 'patchroot', `${buildId}.kpatch`);
  const ctl = (...args: string[]) => command('libcare-ctl', args);

  const first = await ctl('patch', '-p', pid, file);
  assert.equal(first.code, 0, first.stderr);
  assert.deepEqual(
    lines(first).map((line) => line.replace(/is \d+ micro/, 'is N micro')),
    [
      `kpatch_ctl targeting pid ${pid}`,
      `kpatch_ctl cmdline="${place.tree}/lpmake/usr/bin/counter"`,
      `PID '${pid}' process patch frozen_time is N microsecond`,
      `1 patch hunk(s) have been successfully applied to PID '${pid}'`,
      '',
    ],
  );
  assert.equal(await program.ask('1'), '3 33');
  assert.equal((await ctl('info', '-p', pid)).stdout, info(program.pid, ['0001']));

  const second = await ctl('-v', 'patch-user', '-p', pid, join(place.tree, 'second'));
  assert.match(
    second.stdout,
    new RegExp(`^1 patch hunk\\(s\\) have been successfully applied to PID '${pid}'$`, 'm'),
  );
  assert.equal(await program.ask('1'), '5 57');
  assert.equal((await ctl('info-user', '-p', pid)).stdout, info(program.pid, ['0001', '0002']));

  const again = await ctl('patch', '-p', pid, file);
  assert.equal(again.code, 255);
  assert.match(again.stderr, new RegExp(`^Failed to apply patch '${file}'\n.*0001 is applied already`));

  const unknown = await ctl('unpatch', '-p', pid, '-i', '0009');
  assert.equal(unknown.code, 255);
  assert.equal(unknown.stderr, 'Failed to find target patch with patch_id=0009!\n');
  assert.match(unknown.stdout, new RegExp(`No patch\\(es\\) cancellable from PID '${pid}' were found`));

  const gone = await ctl('unpatch', '-p', pid, '-i', '0001');
  assert.equal(gone.code, 0, gone.stderr);
  assert.match(
    gone.stdout,
    new RegExp(`^1 patch hunk\\(s\\) were successfully cancelled from PID '${pid}'$`, 'm'),
  );
  assert.equal(await program.ask('1'), '6 67');
  assert.equal((await ctl('unpatch-user', '-p', pid, '-i', '0002', 'counter')).code, 0);
  assert.equal(await program.ask('1'), '7 73');
  assert.equal((await ctl('info', '-p', pid)).stdout, '');
});

test('a process without the object, and what is no command line', async () => {
  const sleeper = shop.start('/bin/cat');
  const pid = String(sleeper.pid);
  const ctl = (...args: string[]) => command('libcare-ctl', args);
  const none = await ctl('patch', '-p', pid, join(place.tree, 'patchroot'));
  assert.equal(none.code, 0);
  assert.match(none.stdout, new RegExp(`^No patch\\(es\\) applicable to PID '${pid}' have been found$`, 'm'));
  const bare = await ctl('unpatch', '-p', pid, '-i', '0001');
  assert.deepEqual([bare.code, bare.stderr], [0, '']);
  for (const wrong of [
    [],
    ['patch'],
    ['patch', '-p', pid],
    ['patch', '-x'],
    ['unpatch', '-p', pid],
    ['-z'],
    ['server'],
  ])
    assert.equal((await ctl(...wrong)).code, 255, wrong.join(' '));
  assert.equal((await ctl('-h')).code, 0);
  assert.equal((await ctl('patch', '-p', pid, '/nonexistent')).code, 255);
  assert.equal((await ctl('patch', '-p', '999999999', join(place.tree, 'patchroot'))).code, 255);
});

test('the level of a store is switched by its link, and scripts run before and after', async () => {
  const store = join(place.folder, 'store');
  const level = (n: number, from: string): void => {
    mkdirSync(join(store, buildId, String(n)), { recursive: true });
    writeFileSync(
      join(store, buildId, String(n), 'kpatch.bin'),
      readFileSync(join(place.tree, from, `${buildId}.kpatch`)),
    );
    writeFileSync(join(store, buildId, String(n), 'description'), `level ${n} of the counter\n`);
  };
  const switchTo = (n: number): void => {
    const next = join(store, buildId, 'next');
    symlinkSync(String(n), next);
    renameSync(next, join(store, buildId, 'latest'));
  };
  level(1, 'patchroot');
  level(2, 'second');
  switchTo(1);
  const log = join(place.folder, 'scripts.log');
  for (const name of ['before', 'after'])
    writeFileSync(join(store, name), `#!/bin/sh\necho ${name} $1 >>${log}\n`, { mode: 0o755 });

  const program = await started();
  const pid = String(program.pid);
  const ctl = (...args: string[]) => command('libcare-ctl', args);
  assert.equal((await ctl('patch', '-p', pid, store)).code, 0);
  assert.equal(await program.ask('1'), '3 33');
  switchTo(2);
  assert.equal((await ctl('patch', '-p', pid, store)).code, 0);
  assert.equal(await program.ask('1'), '5 57');
  assert.equal(readFileSync(log, 'utf8'), `before ${pid}\nafter ${pid}\n`.repeat(2));
  const verbose = await ctl('info', '-v', '-p', pid, store);
  assert.match(verbose.stdout, /^ {2}Level: +1, level 1 of the counter$/m);
  assert.match(verbose.stdout, /^ {2}Level: +2, level 2 of the counter$/m);

  writeFileSync(join(store, 'before'), '#!/bin/sh\nexit 3\n', { mode: 0o755 });
  assert.equal((await ctl('unpatch', '-p', pid, '-i', '0002')).code, 0);
  const refused = await ctl('patch', '-p', pid, store);
  assert.equal(refused.code, 255);
  assert.match(refused.stderr, /before .* failed: exit code 3/);
  assert.equal(await program.ask('1'), '7 73');
});

test('libcare-cc notes what it compiles, between a configuration and a build of two stages', async () => {
  const tree = join(place.folder, 'configured');
  const files = new Map([
    ['src/counter.c', COUNTER],
    ['Makefile', 'all:\n\t$(MAKE) -C src\n'],
    [
      'src/Makefile',
      'include ../config.mk\ncounter: counter.o\n\t$(CC) -Wl,--build-id -o $@ $^\ncounter.o: counter.c\n\t$(CC) -O2 -c -o $@ $<\n',
    ],
    [
      'configure',
      '#!/bin/sh\nset -e\necho "int main(void) { return 0; }" >conftest.c\n$CC -o conftest conftest.c\n./conftest\nrm conftest*\necho "CC = $CC" >config.mk\n',
    ],
  ]);
  place.write(files, tree);
  const cc = join(repository, 'bin/libcare-cc');
  const step = async (stage: string, ...words: string[]): Promise<void> => {
    const environment = { KPATCH_STAGE: stage, KPATCH_PATH: '/usr/libexec/libcare', CC: cc };
    const { code, stderr } = await run(words[0]!, words.slice(1), { cwd: tree, environment });
    assert.equal(code, 0, stderr);
  };
  await step('configure', 'sh', './configure');
  await step('original', 'make');
  const base = readFileSync(join(tree, 'src/counter'));
  const diff = await place.writeDiff(
    new Map([['src/counter.c', COUNTER]]),
    new Map([['src/counter.c', COUNTER.replace('x * 3', 'x * 8')]]),
    'configured.patch',
  );
  const built = await run(join(repository, 'bin/suture'), ['build', '--id', 'noted', '--compat', diff], {
    cwd: tree,
  });
  assert.equal(built.code, 0, built.stderr);
  assert.equal(existsSync(join(tree, 'src/.suture')), false);
  const program = shop.start(join(tree, 'src/counter'));
  assert.equal(await program.ask('1'), '1 13');
  const patched = await command('libcare-ctl', ['patch', '-p', String(program.pid), join(tree, 'patches')]);
  assert.equal(patched.code, 0, patched.stderr);
  assert.equal(await program.ask('1'), '2 28');

  rmSync(join(tree, 'src/counter.o'));
  await step('patched', 'make');
  assert.deepEqual(
    readFileSync(join(tree, 'src/counter')),
    base,
    'the second stage compiles as it is called',
  );
});
