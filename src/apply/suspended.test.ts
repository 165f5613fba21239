import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archNamed } from '../arch/index.ts';
import { type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { StackLike } from './stack-like.ts';
import { type SuspendedInput, suspendedObstacles } from './suspended.ts';
import type { MappingView } from './view.ts';

const arch = archNamed('x86_64')!;
const mapping = (start: bigint, end: bigint, rights: string, path = ''): MappingView => ({
  start: remote(start),
  end: remote(end),
  read: rights[0] === 'r',
  write: rights[1] === 'w',
  execute: rights[2] === 'x',
  shared: rights[3] === 's',
  fileOffset: 0,
  path,
});
const GUARD = mapping(0x10_0000n, 0x10_1000n, '---p');
const STACK = mapping(0x10_1000n, 0x11_0000n, 'rw-p');
const nobody = (maps: MappingView[], touched: bigint[] = []) => {
  const stacks = new StackLike(maps);
  for (const at of touched) stacks.touch(Number(at));
  return stacks.untouched().length;
};

test('a stack has a guard page below, and is nobody’s when no frame is in it', () => {
  assert.equal(nobody([GUARD, STACK]), 1);
  assert.equal(nobody([GUARD, STACK], [0x10_8000n]), 0);
  assert.equal(nobody([GUARD, STACK], [0x11_0000n, 0x10_0fffn]), 1, 'frames beside it');
  assert.equal(nobody([STACK]), 0, 'no guard');
  assert.equal(nobody([GUARD, mapping(0x10_1000n, 0x11_0000n, 'rw-s')]), 0, 'shared');
  assert.equal(nobody([GUARD, mapping(0x10_1000n, 0x11_0000n, 'rw-p', '/file')]), 0, 'a file');
  assert.equal(nobody([mapping(0x10_0000n, 0x10_1000n, 'r--p'), STACK]), 0, 'constants below');
  assert.equal(nobody([GUARD, mapping(0x10_1000n, 0x200_0010_1000n, 'rw-p')]), 0, 'shadow memory');
  const code = mapping(0x10_1000n, 0x11_0000n, 'rwxp');
  const main = (rights: string) => mapping(0x7ff0_0000n, 0x7ff1_0000n, rights, '[stack]');
  assert.equal(nobody([GUARD, code, main('rw-p')], [0x7ff0_8000n]), 0, 'generated code');
  assert.equal(nobody([GUARD, code, main('rwxp')], [0x7ff0_8000n]), 1, 'stacks are executable here');
  assert.equal(
    nobody([mapping(0x10_1000n, 0x11_0000n, 'rw-p', '[stack]')]),
    1,
    'the main thread is elsewhere',
  );
});

test('the heap of a thread is none, whatever lies below', () => {
  const rest = mapping(0x7f00_0021_0000n, 0x7f00_0400_0000n, '---p');
  const heap = mapping(0x7f00_0400_0000n, 0x7f00_0403_0000n, 'rw-p');
  const itsRest = mapping(0x7f00_0403_0000n, 0x7f00_0800_0000n, '---p');
  assert.equal(nobody([rest, heap, itsRest]), 0);
  assert.equal(nobody([rest, heap]), 1);
});

const WORD = 0x10_c000n;
const BLOCK = 0x10_fc00n;

function inputWith(
  words: readonly [bigint, bigint][],
  changes: Partial<SuspendedInput> = {},
): SuspendedInput {
  const memory = new Uint8Array(Number(STACK.end - STACK.start));
  for (const [at, value] of words) viewOf(memory).setBigUint64(Number(at - STACK.start), value, true);
  return {
    arch,
    mappings: [STACK],
    threadPointers: [],
    forbidden: [{ start: remote(0x40_1000n), end: remote(0x40_1100n), name: 'f' }],
    tryRead: (at: Remote, size) => memory.slice(Number(at - STACK.start), Number(at - STACK.start) + size),
    residentRuns: (start, end) => [{ start, end }],
    expired: () => false,
    ...changes,
  };
}

test('a return address into code that goes away is in the way; its first byte is not one', () => {
  const [obstacle] = suspendedObstacles(inputWith([[WORD, 0x40_1020n]])) ?? [];
  assert.equal(obstacle?.tid, 0);
  assert.deepEqual(obstacle.at, [0x40_101fn]);
  assert.match(obstacle.why, /may return to f \(word at 0x10c000 in the mapping 0x101000-0x110000/);
  assert.deepEqual(suspendedObstacles(inputWith([[WORD, 0x40_1000n]])), []);
  assert.deepEqual(suspendedObstacles(inputWith([])), []);
});

test('what an ended thread left on its stack does not count, what a thread on another stack left does', () => {
  const words: [bigint, bigint][] = [
    [WORD, 0x40_1020n],
    [BLOCK, BLOCK],
  ];
  assert.deepEqual(suspendedObstacles(inputWith(words)), []);
  assert.equal(suspendedObstacles(inputWith(words, { threadPointers: [BLOCK] }))?.length, 1);
});

test('only what holds anything is read, and the time is watched', () => {
  assert.deepEqual(suspendedObstacles(inputWith([[WORD, 0x40_1020n]], { residentRuns: () => [] })), []);
  assert.equal(suspendedObstacles(inputWith([[WORD, 0x40_1020n]], { expired: () => true })), undefined);
});
