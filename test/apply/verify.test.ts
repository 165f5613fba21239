/** What others do to a patched process: verify names it, and nobody's bytes are written over. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  applyPatches,
  checkPatches,
  repairProcess,
  revertPatches,
  statusOf,
  verifyProcess,
} from '../../src/apply/engine.ts';
import { plus, type Remote, toRemote, toVaddr } from '../../src/bytes/address.ts';
import type { Patch } from '../../src/patch/patch.ts';
import { remoteCall } from '../../src/process/remote-call.ts';
import { Target } from '../../src/process/target.ts';
import { type Program, patchOf, Workshop } from './fixture.ts';

const ANSWERING = `
#include <stdio.h>
#include <stdlib.h>
volatile int counter = 1;
__attribute__((noipa)) int f(int x) { return x * counter + 1; }
__attribute__((noipa)) int g(int x) { return x * counter + 2; }
__attribute__((noipa)) int hook(int x) { return x * counter + 5000; }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    int n = atoi(line);
    printf("%d %d\\n", f(n), g(n));
    if (n == 99) printf("%d\\n", hook(n));
  }
  return 0;
}`;

let shop: Workshop;
let base: string;
let both: Patch;
let other: Patch;
before(() => {
  shop = new Workshop();
  base = shop.compile('answer', ANSWERING);
  const fixed = shop.compileObject(
    'both',
    'int f(int x) { return x + 100; } int g(int x) { return x + 200; }',
  );
  both = patchOf({ id: 'both', base, object: fixed, changed: ['f', 'g'] });
  const more = shop.compileObject('other', 'int f(int x) { return x + 1000; }');
  other = patchOf({ id: 'other', base, object: more, changed: ['f'] });
});
after(() => shop[Symbol.dispose]());

/** A process with the patch, opened; what `tamper` did is undone after `look`, and then all is sound and can be reverted. */
async function tampered(
  tamper: (target: Target, program: Program) => () => void,
  look: (target: Target, program: Program) => Promise<void>,
): Promise<void> {
  const program = shop.start(base);
  const target = Target.open(program.pid);
  try {
    assert.equal(await program.ask('1'), '2 3');
    assert.equal(applyPatches([target], [both])[0]?.outcome, 'applied');
    assert.equal(await program.ask('1'), '101 201');
    assert.deepEqual(kinds(target), ['sound']);
    const undo = tamper(target, program);
    await look(target, program);
    undo();
    assert.deepEqual(kinds(target), ['sound']);
    assert.equal(revertPatches([target], ['both'])[0]?.outcome, 'reverted');
    assert.equal(await program.ask('1'), '2 3');
    assert.deepEqual(kinds(target), []);
  } finally {
    target.close();
  }
}

const kinds = (target: Target): string[] =>
  verifyProcess(target)
    .map(({ kind }) => kind)
    .sort();

/** Writes bytes as a stranger would; gives the way back. */
function written(target: Target, at: Remote, bytes: Uint8Array): () => void {
  const old = target.memory.read(at, bytes.length);
  target.memory.write(at, bytes);
  return () => target.memory.write(at, old);
}

function patched(target: Target, name: string) {
  const [patch] = statusOf(target)[0]!.patches;
  return { patch: patch!, fn: patch!.functions.find((one) => one.name === name)! };
}

/** Where the jump of a patched function stands: the entry, or behind its landing pad. */
function redirectOf(target: Target, name: string): Remote {
  const { fn } = patched(target, name);
  const { size } = target.arch.jump;
  for (let skip = 0; skip < 16; skip++) {
    const at = plus(fn.address, skip);
    if (target.arch.jump.decode(target.memory.read(at, size), at) === fn.replacement) return at;
  }
  throw new Error(`no redirect at ${name}`);
}

const hookAddress = (target: Target): Remote => {
  const object = target.modules().find(({ isExecutable }) => isExecutable)!;
  return toRemote(object.file!.symbols.named('hook')[0]!.value, object.bias);
};

test('a foreign hook over the redirect is named, and left alone', () =>
  tampered(
    (target) => {
      const at = redirectOf(target, 'f');
      return written(target, at, target.arch.jump.encode(at, hookAddress(target))!);
    },
    async (target, program) => {
      assert.equal(await program.ask('1'), '5001 201');
      const found = verifyProcess(target).find(({ kind }) => kind === 'foreign-entry');
      assert.equal(found?.severity, 'error', JSON.stringify(verifyProcess(target)));
      assert.match(found?.text ?? '', /^f at 0x[0-9a-f]+ does not lead where it should/);
      assert.equal(found?.id, 'both');
      for (const outcome of [
        applyPatches([target], [other])[0],
        revertPatches([target], ['both'])[0],
        checkPatches(target, [other]),
      ]) {
        assert.ok(outcome?.outcome === 'refused' || outcome?.outcome === 'failed', JSON.stringify(outcome));
        assert.match(outcome.reason ?? '', /\bf\b/);
      }
      assert.equal(await program.ask('1'), '5001 201');
    },
  ));

test('half a patch is named: one function leads to the original again', () =>
  tampered(
    (target) => {
      const at = redirectOf(target, 'g');
      const file = target.modules().find(({ isExecutable }) => isExecutable)!;
      const original = file.file!.readVaddr(toVaddr(at, file.bias), target.arch.jump.size);
      return written(target, at, original);
    },
    async (target, program) => {
      assert.equal(await program.ask('1'), '101 3');
      const found = verifyProcess(target).filter(({ severity }) => severity === 'error');
      assert.deepEqual(
        found.map(({ kind, id }) => [kind, id]),
        [['wrong-entry', 'both']],
      );
      assert.match(found[0]?.text ?? '', /^g at /);
      const inForce = patched(target, 'g').patch.functions.map(({ name, inForce: is }) => [name, is]);
      assert.deepEqual(Object.fromEntries(inForce), { f: true, g: false });
    },
  ));

test('a body that was written to is named', () =>
  tampered(
    (target) => {
      const { fn } = patched(target, 'f');
      const bytes = target.memory.read(plus(fn.replacement, 0), 1);
      return written(target, fn.replacement, Uint8Array.of(bytes[0]! ^ 1));
    },
    async (target) => assert.deepEqual(kinds(target), ['changed-content']),
  ));

test('code that became writable is named', () => {
  const PROT_READ = 1;
  const PROT_WRITE = 2;
  const PROT_EXEC = 4;
  const protect = (target: Target, protection: number): void => {
    const { region } = patched(target, 'f').patch;
    const mapping = target.maps().find(({ start }) => start === region.start)!;
    const size = mapping.end - mapping.start;
    const [result] = remoteCall(target, [
      {
        kind: 'syscall',
        number: target.arch.syscall.numbers.mprotect,
        args: [region.start, size, BigInt(protection)],
      },
    ]);
    assert.equal(result, 0n);
  };
  return tampered(
    (target) => {
      protect(target, PROT_READ | PROT_WRITE | PROT_EXEC);
      return () => protect(target, PROT_READ | PROT_EXEC);
    },
    async (target) => {
      assert.deepEqual(kinds(target), ['changed-protection']);
      assert.equal(applyPatches([target], [both])[0]?.outcome, 'already', 'the patch is still seen');
    },
  );
});

test('a region that cannot be read as one is named', () =>
  tampered(
    (target) => {
      const { region } = patched(target, 'f').patch;
      // The size in the header of the region.
      const mapping = target.memory.read(region.start, 504);
      const wrong = mapping.slice();
      wrong.fill(0xff, 8);
      return written(target, region.start, wrong);
    },
    async (target) => {
      assert.deepEqual(kinds(target), ['broken-region']);
      const [outcome] = revertPatches([target], ['both']);
      assert.notEqual(outcome?.outcome, 'reverted', JSON.stringify(outcome));
    },
  ));

test('a patch that nothing leads into any more is named, and repaired', async () => {
  const program = shop.start(base);
  const target = Target.open(program.pid);
  try {
    assert.equal(applyPatches([target], [both])[0]?.outcome, 'applied');
    const file = target.modules().find(({ isExecutable }) => isExecutable)!;
    for (const name of ['f', 'g']) {
      const at = redirectOf(target, name);
      written(target, at, file.file!.readVaddr(toVaddr(at, file.bias), target.arch.jump.size));
    }
    assert.equal(await program.ask('1'), '2 3');
    const found = verifyProcess(target).filter(({ kind }) => kind === 'detached');
    assert.match(found[0]?.text ?? '', /^f, g no longer lead into it/, JSON.stringify(verifyProcess(target)));
    repairProcess(target);
    assert.equal(await program.ask('1'), '2 3');
  } finally {
    target.close();
  }
});
