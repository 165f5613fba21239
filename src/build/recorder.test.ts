import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ElfImage } from '../elf/image.ts';
import { type Project, projectOf } from './project.ts';
import { loadRecord } from './record.ts';
import { record } from './recorder.ts';

function tree(t: TestContext, files: Record<string, string>): string {
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'suture-record-')));
  t.after(() => fs.rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }
  return root;
}

function project(root: string): Project {
  const loaded = loadRecord(root);
  assert.ok(loaded !== undefined);
  return projectOf(loaded);
}

const relativeTo = (root: string, names: Iterable<string>): string[] =>
  [...names].map((name) => path.relative(root, name)).sort();

const MAKEFILE = `
all: prog libv.so
prog: one/x.o two/x.o lib.a
\tgcc -o $@ one/x.o two/x.o lib.a
%.o: %.c
\t$$(command -v gcc) -O1 -c $< -o $@
lib.a: a.o b.o
\tar rc $@ a.o
\tar r $@ b.o
libv.so: v.c w.c
\tgcc -shared -fPIC -o $@ v.c w.c
a.o b.o &: a.c b.c
\techo -c a.c b.c > args.rsp
\tgcc @args.rsp
\trm args.rsp
`;
const SOURCES = {
  Makefile: MAKEFILE,
  'one/x.c': 'int two_x(void), a(void), b(void); int main(void) { return two_x() + a() + b(); }',
  'two/x.c': 'int two_x(void) { return 1; }',
  'a.c': 'int a(void) { return 0; }',
  'b.c': 'int b(void) { return 0; }',
  'v.c': 'int v(void) { return 1; }',
  'w.c': 'int w(void) { return 2; }',
};

test('a parallel make: absolute compiler, same base names, archives, response files, several sources', async (t) => {
  const root = tree(t, SOURCES);
  const { exitCode } = await record(['make', '-s', '-j4'], root);
  assert.equal(exitCode, 0);
  const { units, linked } = project(root);
  assert.deepEqual(
    relativeTo(
      root,
      units.map((unit) => unit.key),
    ),
    ['a.o', 'b.o', 'libv.so#v.c', 'libv.so#w.c', 'one/x.o', 'two/x.o'],
  );
  assert.ok(units.some((unit) => path.isAbsolute(unit.driver)));
  const prog = linked.find((each) => each.output.endsWith('/prog'));
  assert.deepEqual(relativeTo(root, prog?.units ?? []), ['a.o', 'b.o', 'one/x.o', 'two/x.o']);
  const library = linked.find((each) => each.output.endsWith('/libv.so'));
  assert.equal(library?.kind, 'library');
  assert.deepEqual(relativeTo(root, library?.units ?? []), ['libv.so#v.c', 'libv.so#w.c']);
  assert.equal(prog?.buildId, ElfImage.parse(fs.readFileSync(path.join(root, 'prog'))).buildId());
});

test('an incremental build replaces what it built again and keeps the rest', async (t) => {
  const root = tree(t, SOURCES);
  await record(['make', '-s'], root);
  const before = project(root);
  fs.writeFileSync(path.join(root, 'two/x.c'), 'int two_x(void) { return 3; }');
  const { recorded } = await record(['make', '-s'], root);
  assert.equal(recorded, 2);
  const after = project(root);
  assert.equal(after.units.length, before.units.length);
  const idOf = (p: Project) => p.linked.find((each) => each.output.endsWith('/prog'))?.buildId;
  assert.notEqual(idOf(after), idOf(before));
});

test('tries of configuration scripts are not kept', async (t) => {
  const root = tree(t, { 'x.c': 'int main(void) { return 0; }' });
  const script =
    'echo "int main(void){return 0;}" | tee try.c > CMakeCCompilerId.c; gcc CMakeCCompilerId.c; gcc try.c -o try; rm try.c try; gcc -c -x c /dev/null -o n.o; gcc -E x.c > /dev/null; gcc x.c -o x';
  await record(['sh', '-c', script], root);
  assert.deepEqual(
    relativeTo(
      root,
      project(root).units.map((unit) => unit.key),
    ),
    ['x#x.c'],
  );
});

test('the exit code is the command’s, also for a signal; no such program is an error', async (t) => {
  const root = tree(t, {});
  assert.equal((await record(['sh', '-c', 'exit 7'], root)).exitCode, 7);
  assert.equal((await record(['sh', '-c', 'kill -TERM $$'], root)).exitCode, 128 + 15);
  await assert.rejects(record(['/no/such/program'], root), { code: 'IO', message: /\/no\/such\/program/ });
});

test('signals reach programs that handle them, and stopped ones go on', async (t) => {
  const root = tree(t, {});
  const script =
    'trap "echo caught > caught" USR1; kill -USR1 $$; (kill -STOP $(exec sh -c \'echo $PPID\'); echo on > resumed) & until [ -e resumed ]; do sleep 0.1; kill -CONT $!; done; wait';
  await record(['bash', '-c', script], root);
  assert.deepEqual(fs.readdirSync(root).sort(), ['.suture', 'caught', 'resumed']);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} to the recorder ends the build`, async (t) => {
    const root = tree(t, {});
    const child = runRecorder(
      root,
      'trap "echo end > ended; exit 3" TERM INT; echo > started; while :; do sleep 0.05; done',
    );
    await until(() => fs.existsSync(path.join(root, 'started')));
    child.kill(signal);
    assert.deepEqual((await once(child, 'exit'))[0], 3);
    assert.ok(fs.existsSync(path.join(root, 'ended')));
  });
}

test('when the recorder is killed the build goes on', async (t) => {
  const root = tree(t, {});
  const child = runRecorder(
    root,
    'echo > started; for i in 1 2 3 4; do sleep 0.1; /bin/true; done; echo > finished',
  );
  await until(() => fs.existsSync(path.join(root, 'started')));
  child.kill('SIGKILL');
  await until(() => fs.existsSync(path.join(root, 'finished')));
});

test('a process that outlives the build is let go', async (t) => {
  const root = tree(t, {});
  await record(
    [
      'sh',
      '-c',
      'for i in 1 2 3 4 5 6; do sleep 0.1; /bin/true; done > /dev/null 2>&1 && echo > later & exit 0',
    ],
    root,
  );
  await until(() => fs.existsSync(path.join(root, 'later')));
});

function runRecorder(root: string, script: string) {
  const module = pathToFileURL(path.join(import.meta.dirname, 'recorder.ts')).href;
  const code = `import { record } from ${JSON.stringify(module)};
    process.exitCode = (await record(['sh', '-c', ${JSON.stringify(script)}], ${JSON.stringify(root)})).exitCode;`;
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    stdio: ['ignore', 'inherit', 'inherit'],
    cwd: import.meta.dirname,
  });
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  assert.ok(condition());
}
