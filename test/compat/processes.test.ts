/** Processes that LibcarePlus patched: seen, taken back and patched further by suture. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import {
  applyPatches,
  type EngineOptions,
  revertPatches,
  statusOf,
  verifyProcess,
} from '../../src/apply/engine.ts';
import { readPatch } from '../../src/patch/reader.ts';
import { Target } from '../../src/process/target.ts';
import { sha256 } from '../../src/store/catalogue.ts';
import { type Program, patchOf, Workshop } from '../apply/fixture.ts';
import { type ForeignBuild, foreignPatch, HEADER } from './foreign-file.ts';
import { foreignImage, loadForeign } from './foreign-loader.ts';
import { ANSWERS, FIRST, OVER_FIRST, SECOND } from './sources.ts';

let shop: Workshop;
let first: ForeignBuild;
let second: ForeignBuild;
let over: ForeignBuild;

before(() => {
  shop = new Workshop();
  const make = (id: string, source: typeof SECOND): ForeignBuild =>
    foreignPatch(shop.directory, 'answers', { id, base: ANSWERS, ...source });
  first = make('0001', FIRST);
  second = make('0002', SECOND);
  over = make('0003', OVER_FIRST);
});
after(() => shop[Symbol.dispose]());

async function withPatched(
  patches: readonly ForeignBuild[],
  work: (program: Program, target: Target) => Promise<void>,
): Promise<void> {
  const program = shop.start(first.original);
  assert.equal(await program.ask('1'), '1: 6 3');
  for (const { bytes } of patches) loadForeign(program.pid, bytes);
  const target = Target.open(program.pid);
  try {
    await work(program, target);
  } finally {
    target.close();
    program.child.kill('SIGKILL');
  }
}

const done = (outcomes: readonly { outcome: string; reason?: string }[]): string =>
  outcomes.map(({ outcome, reason }) => (reason === undefined ? outcome : `${outcome}: ${reason}`)).join();
const seen = (target: Target) =>
  statusOf(target).map(({ buildId, patches }) => [
    buildId,
    ...patches.map(({ id, origin, standing, functions }) => [
      id,
      origin,
      standing,
      functions.map(({ name }) => name).join(),
    ]),
  ]);

test('the region lies there as documented', () =>
  withPatched([first], async (_, target) => {
    const [object] = statusOf(target);
    const { region, functions } = object!.patches[0]!;
    const bytes = target.memory.read(region.start, HEADER.size);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    assert.equal(Buffer.from(bytes.subarray(0, 16)).toString('latin1'), 'KPATCH1\0' + '0001\0\0\0\0');
    assert.equal(view.getUint32(HEADER.jumpTable, true), HEADER.size);
    assert.equal(Number(view.getBigUint64(HEADER.regionSize, true)), region.size);
    const entry = target.memory.read(functions[0]!.address, 5);
    assert.equal(entry[0], 0xe9);
    const maps = readFileSync(`/proc/${target.pid}/maps`, 'utf8').split('\n');
    const own = maps.filter((line) => Number.parseInt(line, 16) >= Number(region.start));
    assert.match(own[0]!, / r-xp .* 0 *$/);
    assert.match(own[1]!, / rw-p .* 0 *$/);
  }));

test('status lists id, functions and object', () =>
  withPatched([first, second], async (program, target) => {
    assert.equal(await program.ask('1'), '1: 4107 1002');
    assert.deepEqual(seen(target), [
      [first.buildId, ['0001', 'libcareplus', 'active', 'f'], ['0002', 'libcareplus', 'active', 'g']],
    ]);
    assert.deepEqual(
      verifyProcess(target).map(({ kind }) => kind),
      ['sound', 'sound'],
    );
  }));

test('both are taken back, the first one first', () =>
  withPatched([first, second], async (program, target) => {
    assert.equal(done(revertPatches([target], ['0001'])), 'reverted');
    assert.equal(await program.ask('1'), '1: 6 1002');
    assert.equal(done(revertPatches([target], ['0002'])), 'reverted');
    assert.equal(await program.ask('1'), '1: 6 5');
    assert.deepEqual(seen(target), []);
  }));

test('of two over one function the lower one goes first, which kills the process when LibcarePlus does it', () =>
  withPatched([first, over], async (program, target) => {
    assert.equal(await program.ask('1'), '1: 70000 3');
    assert.deepEqual(seen(target), [
      [first.buildId, ['0001', 'libcareplus', 'buried', 'f'], ['0003', 'libcareplus', 'active', 'f']],
    ]);
    assert.equal(done(revertPatches([target], ['0001'])), 'reverted');
    assert.equal(await program.ask('1'), '1: 70000 3');
    assert.equal(done(revertPatches([target], ['0003'])), 'reverted');
    assert.equal(await program.ask('1'), '1: 6 4');
  }));

test('a suture patch goes on top, and either goes first', () =>
  withPatched([first], async (program, target) => {
    const own = patchOf({
      id: 'on-top',
      base: first.original,
      object: shop.compileObject('on-top', 'extern int limit; int f(int x) { return 50 + x + limit; }'),
      changed: ['f'],
    });
    assert.equal(done(applyPatches([target], [own])), 'applied');
    assert.equal(await program.ask('1'), '1: 56 3');
    assert.deepEqual(seen(target), [
      [first.buildId, ['0001', 'libcareplus', 'buried', 'f'], ['on-top', 'suture', 'active', 'f']],
    ]);
    assert.equal(done(revertPatches([target], ['on-top'])), 'reverted');
    assert.equal(await program.ask('1'), '1: 4107 4');
    assert.equal(done(applyPatches([target], [own])), 'applied');
    assert.equal(done(revertPatches([target], ['0001'])), 'reverted');
    assert.equal(await program.ask('1'), '1: 56 4');
    assert.equal(done(revertPatches([target], ['on-top'])), 'reverted');
    assert.equal(await program.ask('1'), '1: 6 5');
  }));

test('--replace takes their place', () =>
  withPatched([first, second], async (program, target) => {
    const own = patchOf({
      id: 'instead',
      base: first.original,
      object: shop.compileObject('instead', 'int g(int x) { return 7; }'),
      changed: ['g'],
    });
    const replace: EngineOptions = { replace: true };
    assert.equal(done(applyPatches([target], [own], replace)), 'applied');
    assert.equal(await program.ask('1'), '1: 6 7');
    assert.deepEqual(seen(target), [[first.buildId, ['instead', 'suture', 'active', 'g']]]);
  }));

test('the same id again is known to be there', () =>
  withPatched([first], async (_, target) => {
    const patch = readPatch(first.bytes, sha256, first.file);
    assert.match(done(applyPatches([target], [patch])), /^already/);
  }));

test('the layout of the region in numbers', () => {
  const image = foreignImage(first.bytes, { region: 0x10000n, bias: 0n, lookUp: () => 0x1234n });
  const view = new DataView(image.bytes.buffer);
  assert.equal(view.getUint32(HEADER.elfInRegion, true) % 4096, 0);
  assert.equal(view.getUint32(HEADER.undo, true) % 128, 0);
  assert.equal(image.bytes.length % 4096, 0);
  assert.equal(image.executable % 4096, 0);
  assert.equal(image.hunks.length, 1);
});
