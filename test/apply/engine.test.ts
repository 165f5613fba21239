import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  applyPatches,
  checkPatches,
  type EngineOptions,
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
