import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  applyPatches,
  checkPatches,
  type EngineOptions,
  repairProcess,
  revertPatches,
  statusOf,
  verifyProcess,
} from '../../src/apply/engine.ts';
import type { ProcessOutcome } from '../../src/apply/outcome.ts';
import type { Patch } from '../../src/patch/patch.ts';
import { Target } from '../../src/process/target.ts';
import { type Program, patchOf, Workshop } from './fixture.ts';

const HEAD = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>
__attribute__((noinline)) int f(int x);
__attribute__((noinline)) int g(int x);
`;

/** Answers "N" with f(N) and g(N). */
const ANSWERING = `${HEAD}
int counter = 0;
int f(int x) { counter++; return x + 1; }
int g(int x) { counter++; return x + 2; }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    int a = f(atoi(line)), b = g(atoi(line));
    printf("%d %d %d\\n", a, b, counter);
  }
  return 0;
}`;

function withTarget<T>(program: Program, work: (target: Target) => T): T {
  const target = Target.open(program.pid);
  try {
    return work(target);
  } finally {
    target.close();
  }
}
const apply = (program: Program, patches: Patch[], options?: EngineOptions): ProcessOutcome =>
  withTarget(program, (target) => applyPatches([target], patches, options)[0]!);
const revert = (program: Program, ids: string[], options?: EngineOptions): ProcessOutcome =>
  withTarget(program, (target) => revertPatches([target], ids, options)[0]!);
const verify = (program: Program) => withTarget(program, (target) => verifyProcess(target));

function expectDone(outcome: ProcessOutcome, wanted: 'applied' | 'reverted'): void {
  assert.equal(outcome.outcome, wanted, JSON.stringify(outcome));
}

test('one function: before, applied, applied again, reverted', async () => {
  using shop = new Workshop();
  const base = shop.compile('answer', ANSWERING);
  const fixed = shop.compileObject(
    'fix',
    'extern int counter; int f(int x) { counter += 10; return x + 100; }',
  );
  const patch = patchOf({ id: 'fix-1', base, object: fixed, changed: ['f'] });
  const program = shop.start(base);
  assert.equal(await program.ask('1'), '2 3 2');

  const plan = withTarget(program, (target) => checkPatches(target, [patch]));
  assert.equal(plan.outcome, 'applicable', JSON.stringify(plan));
  assert.equal(await program.ask('1'), '2 3 4', 'a check changes nothing');

  const outcome = apply(program, [patch]);
  expectDone(outcome, 'applied');
  assert.deepEqual(outcome.objects[0]?.functions, ['f']);
  assert.ok(outcome.stopMicroseconds > 0);
  assert.equal(await program.ask('1'), '101 3 15');
  const status = withTarget(program, statusOf);
  assert.equal(status[0]?.patches[0]?.id, 'fix-1');
  assert.equal(status[0]?.patches[0]?.standing, 'active');
  assert.deepEqual(
    verify(program).map(({ kind }) => kind),
    ['sound'],
  );

  assert.equal(apply(program, [patch]).outcome, 'already');
  expectDone(revert(program, ['fix-1']), 'reverted');
  assert.equal(await program.ask('1'), '2 3 17');
  assert.deepEqual(withTarget(program, statusOf), []);
  assert.equal(revert(program, ['fix-1']).outcome, 'not-applicable');
  assert.ok(program.child.exitCode === null);
});

test('two patches over one function, reverted in both orders', async () => {
  using shop = new Workshop();
  const base = shop.compile('answer', ANSWERING);
  const one = shop.compileObject('one', 'int f(int x) { return x + 100; } int g(int x) { return x + 200; }');
  const two = shop.compileObject('two', 'int f(int x) { return x + 1000; }');
  const first = patchOf({ id: 'first', base, object: one, changed: ['f', 'g'] });
  const second = patchOf({ id: 'second', base, object: two, changed: ['f'] });
  const program = shop.start(base);
  for (const order of [
    ['first', 'second'],
    ['second', 'first'],
  ]) {
    expectDone(apply(program, [first]), 'applied');
    expectDone(apply(program, [second]), 'applied');
    assert.match(await program.ask('1'), /^1001 201 /);
    expectDone(revert(program, [order[0]!]), 'reverted');
    assert.match(await program.ask('1'), order[0] === 'first' ? /^1001 3 / : /^101 201 /);
    assert.deepEqual(
      verify(program).map(({ kind }) => kind),
      ['sound'],
    );
    expectDone(revert(program, [order[1]!]), 'reverted');
    assert.match(await program.ask('1'), /^2 3 /);
    assert.deepEqual(withTarget(program, statusOf), []);
  }
});

test('a patch wholly covered by a newer one is in force, and can go first', async () => {
  using shop = new Workshop();
  const base = shop.compile('answer', ANSWERING);
  const one = shop.compileObject('one', 'int f(int x) { return x + 100; }');
  const two = shop.compileObject('two', 'int f(int x) { return x + 1000; }');
  const program = shop.start(base);
  expectDone(apply(program, [patchOf({ id: 'first', base, object: one, changed: ['f'] })]), 'applied');
  expectDone(apply(program, [patchOf({ id: 'second', base, object: two, changed: ['f'] })]), 'applied');
  const standing = withTarget(program, statusOf)[0]!.patches.map((patch) => patch.standing);
  assert.deepEqual(standing, ['buried', 'active']);
  expectDone(revert(program, ['first']), 'reverted');
  assert.match(await program.ask('1'), /^1001 3 /);
  expectDone(revert(program, ['second']), 'reverted');
  assert.match(await program.ask('1'), /^2 3 /);
});

test('a patch that another requires stays; --replace takes the place of all', async () => {
  using shop = new Workshop();
  const base = shop.compile('answer', ANSWERING);
  const one = shop.compileObject('one', 'int f(int x) { return x + 100; } int g(int x) { return x + 200; }');
  const two = shop.compileObject('two', 'int f(int x) { return x + 1000; }');
  const program = shop.start(base);
  const dependent = patchOf({ id: 'second', base, object: two, changed: ['f'], requires: ['first'] });
  const lacking = apply(program, [dependent]);
  assert.equal(lacking.outcome, 'refused');
  assert.match(lacking.reason ?? '', /first/);
  expectDone(apply(program, [patchOf({ id: 'first', base, object: one, changed: ['f', 'g'] })]), 'applied');
  expectDone(apply(program, [dependent]), 'applied');
  const refused = revert(program, ['first']);
  assert.equal(refused.outcome, 'refused');
  assert.match(refused.reason ?? '', /second builds on first/);
  const third = patchOf({ id: 'third', base, object: two, changed: ['f'] });
  expectDone(apply(program, [third], { replace: true }), 'applied');
  assert.match(await program.ask('1'), /^1001 3 /, 'g is the original again');
  assert.deepEqual(
    withTarget(program, statusOf)[0]!.patches.map(({ id }) => id),
    ['third'],
  );
  expectDone(revert(program, ['third']), 'reverted');
  assert.match(await program.ask('1'), /^2 3 /);
});

test('functions in different pages change in one step', async () => {
  using shop = new Workshop();
  const base = shop.compile(
    'pages',
    `${HEAD}
__attribute__((noinline, aligned(4096))) int f(int x) { return x + 1; }
__attribute__((noinline, aligned(4096))) int g(int x) { return x + 2; }
__attribute__((noinline, aligned(4096))) int h(int x) { return x + 3; }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) printf("%d %d %d\\n", f(atoi(line)), g(atoi(line)), h(atoi(line)));
}`,
    ['-O0'],
  );
  const fixed = shop.compileObject(
    'fix',
    'int f(int x) { return x + 10; } int g(int x) { return x + 20; } int h(int x) { return x + 30; }',
  );
  const program = shop.start(base);
  const codeBytes = withTarget(program, (target) =>
    target
      .maps()
      .filter(({ execute, path }) => execute && path === base)
      .reduce((sum, { start, end }) => sum + Number(end - start), 0),
  );
  const counts = new Set<number>();
  const patch = patchOf({ id: 'pages', base, object: fixed, changed: ['f', 'g', 'h'] });
  for (let round = 0; round < 3; round++) {
    assert.equal(await program.ask('1'), '2 3 4');
    expectDone(apply(program, [patch]), 'applied');
    assert.equal(await program.ask('1'), '11 21 31');
    const code = withTarget(program, (target) =>
      target.maps().filter(({ execute, path }) => execute && path === base),
    );
    const bytes = code.reduce((sum, { start, end }) => sum + Number(end - start), 0);
    assert.equal(bytes, codeBytes, 'the code keeps its file name');
    expectDone(revert(program, ['pages']), 'reverted');
    counts.add(withTarget(program, (target) => target.maps().length));
  }
  assert.equal(await program.ask('1'), '2 3 4');
  assert.equal(counts.size, 1, 'nothing piles up');
});

/** f blocks until a line comes; main, unchanged, calls it. */
const BLOCKING = `${HEAD}
static char line[64];
__attribute__((noinline)) int get(void) { return fgets(line, sizeof line, stdin) != NULL; }
int f(int x) { int more = get(); return more ? x + atoi(line) : -1; }
int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int r; (r = f(1)) != -1;) printf("%d\\n", r);
  return 0;
}`;

test('a function that a thread is in is not changed, and named; one that only its callee waits in, neither', async () => {
  using shop = new Workshop();
  const base = shop.compile('block', BLOCKING);
  const fixed = shop.compileObject(
    'fix',
    '#include <stdlib.h>\nint get(void); extern char line[]; int f(int x) { return get() ? x + 100 : -1; }',
  );
  const patch = patchOf({ id: 'busy', base, object: fixed, changed: ['f'] });
  const program = shop.start(base);
  assert.equal(await program.ask('5'), '6');
  const refused = apply(program, [patch], { timeoutMs: 200 });
  assert.equal(refused.outcome, 'busy', JSON.stringify(refused));
  assert.equal(refused.blockers?.[0]?.tid, program.pid);
  assert.ok(
    refused.blockers[0].frames.some((frame) => frame.startsWith('f+')),
    refused.blockers[0].frames.join('\n'),
  );
  assert.ok(refused.attempts > 1);
  assert.equal(await program.ask('7'), '8');
  assert.deepEqual(withTarget(program, statusOf), []);
});

test('an unchanged caller asleep above changed functions is no obstacle', async () => {
  using shop = new Workshop();
  const base = shop.compile('answer', ANSWERING);
  const fixed = shop.compileObject('fix', 'int g(int x) { return x + 50; }');
  const program = shop.start(base);
  const outcome = apply(program, [patchOf({ id: 'asleep', base, object: fixed, changed: ['g'] })]);
  expectDone(outcome, 'applied');
  assert.equal(outcome.attempts, 1);
  assert.match(await program.ask('1'), /^2 51 /);
});

test('a busy function is changed as soon as it has returned', async () => {
  using shop = new Workshop();
  const base = shop.compile(
    'slow',
    `${HEAD}
int f(int x) { usleep(300000); return x + 1; }
int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  char line[64];
  while (fgets(line, sizeof line, stdin)) { printf("started\\n"); printf("%d\\n", f(atoi(line))); }
}`,
  );
  const fixed = shop.compileObject('fix', 'int f(int x) { return x + 100; }');
  const program = shop.start(base);
  assert.equal(await program.ask('1'), 'started');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const outcome = apply(program, [patchOf({ id: 'slow', base, object: fixed, changed: ['f'] })]);
  expectDone(outcome, 'applied');
  assert.ok(outcome.attempts > 1);
  assert.equal(await program.line(), '2');
  assert.equal(await program.ask('1'), 'started');
  assert.equal(await program.line(), '101');
});

test('new code calls libc (indirect functions too), has strings, tables and variables of its own', async () => {
  using shop = new Workshop();
  const base = shop.compile('answer', ANSWERING, ['-fno-builtin']);
  const fixed = shop.compileObject(
    'fix',
    `#include <string.h>
#include <stdio.h>
#include <stdlib.h>
static int calls;
static int table[4] = {7, 8, 9, 10};
int square(int x);
int square(int x) { return x * x; }
int f(int x) {
  char text[32], *copy;
  snprintf(text, sizeof text, "%s%d", "patched ", ++calls);
  copy = strdup(text);
  int length = strlen(copy) + (strchr(copy, 'z') != NULL);
  free(copy);
  table[0]++;
  return square(x) + length * 100 + table[calls & 3] * 10000;
}`,
    ['-fno-builtin'],
  );
  const program = shop.start(base);
  expectDone(apply(program, [patchOf({ id: 'libc', base, object: fixed, changed: ['f'] })]), 'applied');
  assert.match(await program.ask('3'), /^80909 5 /);
  assert.match(await program.ask('3'), /^90909 5 /);
  assert.deepEqual(
    verify(program).map(({ kind }) => kind),
    ['sound'],
  );
  expectDone(revert(program, ['libc']), 'reverted');
  assert.match(await program.ask('3'), /^4 5 /);
});

test('missing symbols are all named, and nothing is touched', async () => {
  using shop = new Workshop();
  const base = shop.compile('answer', ANSWERING);
  const fixed = shop.compileObject(
    'fix',
    'int nowhere(int); int nothere(int); int f(int x) { return nowhere(x) + nothere(x); }',
  );
  const program = shop.start(base);
  assert.match(await program.ask('1'), /^2 3 /);
  const before = withTarget(program, (target) => target.maps().length);
  const outcome = apply(program, [patchOf({ id: 'missing', base, object: fixed, changed: ['f'] })]);
  assert.equal(outcome.outcome, 'refused');
  assert.match(outcome.reason ?? '', /nowhere, nothere.*MISSING_SYMBOL/);
  assert.equal(
    withTarget(program, (target) => target.maps().length),
    before,
  );
  assert.match(await program.ask('1'), /^2 3 /);
});

test("another tool's hook at an entry is left alone", async () => {
  using shop = new Workshop();
  const base = shop.compile('answer', ANSWERING);
  const fixed = shop.compileObject('fix', 'int f(int x) { return x + 100; }');
  const patch = patchOf({ id: 'hooked', base, object: fixed, changed: ['f'] });
  const program = shop.start(base);
  assert.match(await program.ask('1'), /^2 3 /);
  const at = withTarget(program, (target) => {
    const plan = checkPatches(target, [patch]);
    return BigInt(plan.objects[0]!.redirects[0]!.address);
  });
  withTarget(program, (target) => target.memory.write(at as never, Uint8Array.of(0xcc)));
  const outcome = apply(program, [patch]);
  assert.equal(outcome.outcome, 'refused', JSON.stringify(outcome));
  assert.match(outcome.reason ?? '', /foreign bytes/);
});

test('many threads, one of them in a signal handler', async () => {
  using shop = new Workshop();
  const base = shop.compile(
    'threads',
    `${HEAD}
#include <signal.h>
int f(int x) { return x + 1; }
static volatile int stop;
static void handler(int s) { (void)s; pause(); }
static void *worker(void *arg) {
  if ((long)arg == 0) raise(SIGUSR1);
  for (volatile int sum = 0; !stop; sum += f(1)) if ((long)arg & 1) usleep(1000); else pause();
  return NULL;
}
int main(void) {
  char line[64];
  pthread_t t;
  signal(SIGUSR1, handler);
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (long i = 0; i < 12; i++) pthread_create(&t, NULL, worker, (void *)i);
  while (fgets(line, sizeof line, stdin)) printf("%d\\n", f(atoi(line)));
}`,
    ['-pthread', '-O0'],
  );
  const fixed = shop.compileObject('fix', 'int f(int x) { return x + 100; }');
  const program = shop.start(base);
  assert.equal(await program.ask('1'), '2');
  expectDone(apply(program, [patchOf({ id: 'threads', base, object: fixed, changed: ['f'] })]), 'applied');
  assert.equal(await program.ask('1'), '101');
  expectDone(revert(program, ['threads']), 'reverted');
  assert.equal(await program.ask('1'), '2');
});

test('an executable and a library of one fix change in the same stop', async () => {
  using shop = new Workshop();
  const library = shop.compile('libpart.so', 'int part(int x) { return x + 1; }', [
    '-shared',
    '-fPIC',
    '-O0',
  ]);
  const base = shop.compile(
    'whole',
    `${HEAD}
int part(int x);
int f(int x) { return part(x) + 10; }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) printf("%d\\n", f(atoi(line)));
}`,
    ['-O0', library, `-Wl,-rpath,${shop.directory}`],
  );
  const inLibrary = shop.compileObject('fixlib', 'int part(int x) { return x + 2; }');
  const inProgram = shop.compileObject('fix', 'int part(int x); int f(int x) { return part(x) + 20; }');
  const set = [
    patchOf({ id: 'both', base, object: inProgram, changed: ['f'] }),
    patchOf({ id: 'both', base: library, object: inLibrary, changed: ['part'] }),
  ];
  const program = shop.start(base);
  assert.equal(await program.ask('1'), '12');
  const outcome = apply(program, set);
  expectDone(outcome, 'applied');
  assert.equal(outcome.objects.length, 2);
  assert.equal(outcome.attempts, 1);
  assert.equal(await program.ask('1'), '23');
  expectDone(revert(program, ['both']), 'reverted');
  assert.equal(await program.ask('1'), '12');
});

test('thread-local variables of an executable are found', async () => {
  using shop = new Workshop();
  const source = `${HEAD}
__thread int own = 5;
__thread int other = 6;
int f(int x) { return x + own; }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) { int r = f(atoi(line)); printf("%d %d\\n", r, own); own++; other++; }
}`;
  const base = shop.compile('tls', source);
  const fixed = shop.compileObject(
    'fix',
    'extern __thread int own, other; int f(int x) { own += 100; return x + own * 1000 + other; }',
    ['-ftls-model=initial-exec'],
  );
  const program = shop.start(base);
  assert.equal(await program.ask('1'), '6 5');
  expectDone(apply(program, [patchOf({ id: 'tls', base, object: fixed, changed: ['f'] })]), 'applied');
  assert.equal(await program.ask('1'), '106008 106');
});

test('memory that the program still refers to outlives the patch', async () => {
  using shop = new Workshop();
  const base = shop.compile(
    'keeping',
    `${HEAD}
const char *text = "old";
int f(int x) { return x == 0 ? (text = "old", 0) : x + 1; }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) { f(atoi(line)); printf("%s\\n", text); }
}`,
  );
  const fixed = shop.compileObject(
    'fix',
    'extern const char *text; int f(int x) { text = "new"; return x; }',
  );
  const patch = patchOf({ id: 'keeping', base, object: fixed, changed: ['f'] });
  const program = shop.start(base);
  assert.equal(await program.ask('1'), 'old');
  const before = withTarget(program, (target) => target.maps().length);
  expectDone(apply(program, [patch]), 'applied');
  assert.equal(await program.ask('1'), 'new');
  const reverted = revert(program, ['keeping']);
  expectDone(reverted, 'reverted');
  assert.match(reverted.notes?.[0] ?? '', /stays: the program refers to it/);
  assert.equal(await program.ask('1'), 'new', 'the string is still there');
  assert.equal(await program.ask('0'), 'old');
  const repaired = withTarget(program, (target) => repairProcess(target));
  assert.ok(['applied', 'already'].includes(repaired.outcome));
  assert.equal(
    withTarget(program, (target) => target.maps().length),
    before,
    'and gone once nothing refers to it',
  );
});

test('several processes, all or none', async () => {
  using shop = new Workshop();
  const base = shop.compile('block', BLOCKING);
  const fixed = shop.compileObject(
    'fix',
    '#include <stdlib.h>\nint get(void); extern char line[]; int f(int x) { return get() ? x + 100 : -1; } int unused;',
  );
  const idle = shop.compile('idle', `${BLOCKING.replace('f(1)', 'get() - 1 + f(1)')}`);
  const inIdle = patchOf({ id: 'together', base: idle, object: fixed, changed: ['f'] });
  const inBusy = patchOf({ id: 'together', base, object: fixed, changed: ['f'] });
  const [first, second, busy] = [shop.start(idle), shop.start(idle), shop.start(base)];
  assert.equal(await busy.ask('5'), '6');
  const targets = [first, second, busy].map(({ pid }) => Target.open(pid));
  try {
    const outcomes = applyPatches(targets, [inIdle, inBusy], { atomic: true, timeoutMs: 100 });
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ['undone', 'undone', 'busy'],
      JSON.stringify(outcomes),
    );
    for (const target of targets) assert.deepEqual(statusOf(target), []);
    const done = applyPatches(targets.slice(0, 2), [inIdle, inBusy], { atomic: true });
    assert.deepEqual(
      done.map(({ outcome }) => outcome),
      ['applied', 'applied'],
      JSON.stringify(done),
    );
    assert.throws(() => applyPatches(targets, [inIdle], { atomic: true, replace: true }), { code: 'USAGE' });
  } finally {
    for (const target of targets) target.close();
  }
});
