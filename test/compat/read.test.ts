/** Patches that LibcarePlus made: read, looked at, checked, and applied to a live process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  applyPatches,
  checkPatches,
  revertPatches,
  statusOf,
  verifyProcess,
} from '../../src/apply/engine.ts';
import type { Patch } from '../../src/patch/patch.ts';
import { readPatch } from '../../src/patch/reader.ts';
import { Target } from '../../src/process/target.ts';
import { paintOf } from '../../src/report/paint.ts';
import { patchText } from '../../src/report/patch.ts';
import { sha256 } from '../../src/store/catalogue.ts';
import { type Program, Workshop } from '../apply/fixture.ts';
import { type ForeignBuild, foreignPatch } from './foreign-file.ts';
import { ANSWERS, FIRST, SECOND } from './sources.ts';

let shop: Workshop;
let first: ForeignBuild;
let second: ForeignBuild;
const read = ({ bytes, file }: ForeignBuild): Patch => readPatch(bytes, sha256, file);

before(() => {
  shop = new Workshop();
  first = foreignPatch(shop.directory, 'answers', { id: '0001', base: ANSWERS, ...FIRST });
  second = foreignPatch(shop.directory, 'answers', { id: '0002', base: ANSWERS, ...SECOND });
});
after(() => shop[Symbol.dispose]());

async function withProgram<T>(work: (program: Program, target: Target) => Promise<T>): Promise<T> {
  const program = shop.start(first.original);
  assert.equal(await program.ask('1'), '1: 6 3');
  const target = Target.open(program.pid);
  try {
    return await work(program, target);
  } finally {
    target.close();
    program.child.kill('SIGKILL');
  }
}

test('what its file says', () => {
  const { manifest, origin, sections, arch } = read(first);
  assert.equal(origin, 'libcareplus');
  assert.equal(manifest.id, '0001');
  assert.equal(manifest.target.buildId, first.buildId);
  assert.equal(manifest.builtAt, 1_700_000_000);
  assert.deepEqual(
    manifest.functions.map(({ name, kind }) => [name, kind]),
    [
      ['f', 'changed'],
      ['helper', 'new'],
    ],
  );
  assert.deepEqual(
    manifest.variables.map(({ name }) => name),
    ['names', 'seen', 'total'].filter((name) => manifest.variables.some((v) => v.name === name)),
  );
  assert.deepEqual(
    sections.map(({ name, kind }) => [name, kind]),
    [
      ['.kpatch.text', 'text'],
      ['.kpatch.data', 'data'],
    ],
  );
  assert.equal(arch.elfMachine, 62);
});

test('what inspect says of it', () => {
  const text = patchText({ file: 'one.kpatch', patch: read(first) }, paintOf(false));
  assert.match(text, /^patch {5}0001$/m);
  assert.match(text, /^file {6}one\.kpatch, .*, made by LibcarePlus, has no digest$/m);
  assert.match(text, new RegExp(`^for {7}build id ${first.buildId}$`, 'm'));
  assert.match(text, /^changed {2}f /m);
});

test('it is applied to a running process, stacked and taken back in any order', () =>
  withProgram(async (program, target) => {
    const check = checkPatches(target, [read(first)]);
    assert.deepEqual([check.outcome, check.objects[0]?.functions], ['applicable', ['f']], check.reason);
    const [applied] = applyPatches([target], [read(first)]);
    assert.equal(applied?.outcome, 'applied', applied?.reason);
    // calls: 2, seen: 41, helper(1) = 1 + 1 of "one+1"
    assert.equal(await program.ask('1'), '1: 4107 4');
    assert.equal(await program.ask('1'), '1: 4208 5');
    assert.deepEqual(
      verifyProcess(target).map(({ kind }) => kind),
      ['sound'],
    );
    const [again] = applyPatches([target], [read(first)]);
    assert.equal(again?.outcome, 'already');
    const [other] = applyPatches([target], [read(second)]);
    assert.equal(other?.outcome, 'applied', other?.reason);
    // g of the second reads the counter that f of the first goes on with.
    assert.equal(await program.ask('1'), '1: 4309 1004');
    const [gone] = revertPatches([target], ['0001']);
    assert.equal(gone?.outcome, 'reverted', gone?.reason);
    assert.equal(await program.ask('1'), '1: 6 1005');
    assert.equal(revertPatches([target], ['0002'])[0]?.outcome, 'reverted');
    assert.equal(await program.ask('1'), '1: 6 8');
    assert.deepEqual(statusOf(target), []);
  }));
