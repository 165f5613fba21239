import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Remote, remote } from '../bytes/address.ts';
import type { Region } from './region.ts';
import { abandonedRanges, settlement } from './settle.ts';
import type { Standing } from './stack.ts';
import type { Phase } from './state-block.ts';
import type { MappingView } from './view.ts';

/** Only what settling looks at. */
const region = (id: string, phase: Phase, transaction: bigint): Region =>
  ({ id, origin: 'suture', state: { phase, transaction } }) as unknown as Region;
const settle = (...entries: [Region, Standing][]) => {
  const { unmap, markActive, revert } = settlement(new Map(entries));
  const ids = (regions: readonly Region[]) => regions.map(({ id }) => id);
  return { unmap: ids(unmap), markActive: ids(markActive), revert: ids(revert) };
};

test('killed before the commit: what was placed goes', () => {
  const result = settle([region('a', 'placed', 1n), 'leftover'], [region('b', 'active', 2n), 'active']);
  assert.deepEqual(result, { unmap: ['a'], markActive: [], revert: [] });
});

test('killed right after the commit: it is in force', () => {
  const result = settle([region('a', 'placed', 1n), 'active']);
  assert.deepEqual(result, { unmap: [], markActive: ['a'], revert: [] });
});

test('killed between two objects of one set: the part in force is taken back', () => {
  const result = settle([region('a', 'placed', 1n), 'active'], [region('b', 'placed', 1n), 'leftover']);
  assert.deepEqual(result, { unmap: ['b'], markActive: [], revert: ['a'] });
});

test('killed between two objects while reverting: the rest is taken back too', () => {
  const result = settle([region('a', 'reverting', 1n), 'leftover'], [region('b', 'reverting', 1n), 'active']);
  assert.deepEqual(result, { unmap: ['a'], markActive: [], revert: ['b'] });
});

test('killed before the commit of a revert: still in force', () => {
  const result = settle([region('a', 'reverting', 1n), 'active'], [region('b', 'reverting', 1n), 'active']);
  assert.deepEqual(result, { unmap: [], markActive: ['a', 'b'], revert: [] });
});

test('memory kept for references says nothing about the rest of its set', () => {
  const result = settle([region('a', 'retired', 1n), 'leftover'], [region('b', 'active', 1n), 'active']);
  assert.deepEqual(result, { unmap: ['a'], markActive: [], revert: [] });
});

const START = 0x7000_0000n;
const SIZE = 0x3000;
const mapping = (start: bigint, size: number, rights: string, path = ''): MappingView => ({
  start: remote(start),
  end: remote(start + BigInt(size)),
  read: rights[0] === 'r',
  write: rights[1] === 'w',
  execute: rights[2] === 'x',
  shared: false,
  fileOffset: 0,
  path,
});
const libc = { start: remote(0x7f00_0000n), end: remote(0x7f10_0000n), path: '/lib/libc.so.6' };
const abandoned = (maps: MappingView[], content: string) =>
  abandonedRanges([{ start: remote(START), size: SIZE }], maps, [libc], (at: Remote, size) => {
    const bytes = new Uint8Array(size);
    if (at === START) bytes.set(new TextEncoder().encode(content).subarray(0, size));
    return bytes;
  }).length > 0;

test('a range that a killed command mapped is known by its extent and its first bytes', () => {
  const whole = [mapping(START, 0x1000, 'r-x'), mapping(START + 0x1000n, 0x2000, 'rw-')];
  assert.ok(abandoned([mapping(START, SIZE, '---')], ''), 'reserved');
  assert.ok(abandoned(whole, ''), 'not yet written');
  assert.ok(abandoned(whole, 'KPATCH1'), 'written');
  assert.ok(abandoned([mapping(START, SIZE, 'r-x', libc.path)], '\x7fELF'), 'a copy of code');
  assert.ok(abandoned([mapping(START, SIZE, 'rw-')], `${libc.path}\0`), 'a path handed over');
});

test("what the program has mapped there since is the program's", () => {
  assert.ok(!abandoned([], ''));
  assert.ok(!abandoned([mapping(START, SIZE, 'rw-')], 'data'));
  assert.ok(!abandoned([mapping(START, SIZE, 'r-x')], '\x55\x48\x89'));
  assert.ok(!abandoned([mapping(START, 0x1000, 'r-x')], 'KPATCH1'), 'another size');
  assert.ok(!abandoned([mapping(START - 0x1000n, 0x4000, '---')], ''), 'another start');
  assert.ok(!abandoned([mapping(START, SIZE, 'r-x', '/plugin.so')], '\x7fELF'));
});
