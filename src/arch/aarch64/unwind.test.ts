import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../bytes/record.ts';
import { unwind } from './unwind.ts';

function code(...words: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  words.forEach((word, i) => {
    viewOf(bytes).setUint32(4 * i, word, true);
  });
  return bytes;
}

test('a return address is behind every form of call', () => {
  // bl .; blr x0; blr x30; blraa x1, x2; blraz x3 … and b ., br x0, ret
  for (const call of [0x94000000, 0xd63f0000, 0xd63f03c0, 0xd73f0822, 0xd63f087f])
    assert.equal(unwind.endsWithCall(code(0xd503201f, call)), true, call.toString(16));
  for (const other of [0x14000000, 0xd61f0000, 0xd65f03c0, 0xd503201f])
    assert.equal(unwind.endsWithCall(code(0x94000000, other)), false, other.toString(16));
});

test('authentication bits are taken off a return address', () => {
  const mask = 0x007f_0000_0000_0000n;
  assert.equal(unwind.stripReturnAddress?.(0x0055_aaaa_1234_5678n, mask), 0xaaaa_1234_5678n);
  assert.equal(unwind.stripReturnAddress?.(0xaaaa_1234_5678n, 0n), 0xaaaa_1234_5678n);
});

test('behind the system call of clone, the caller has a leaf’s frame and the child has none', () => {
  // cmp x0, #0; b.eq .+20; b.lt .+8; ret
  const glibc = code(0xf100001f, 0x540000a0, 0x5400004b, 0xd65f03c0);
  // cbz x0, .+8; ret
  const musl = code(0xb4000040, 0xd65f03c0, 0xa8c10400, 0xd63f0020);
  const result = (value: bigint) => (number: number) => (number === 0 ? value : 77n);
  for (const bytes of [glibc, musl]) {
    assert.equal(unwind.afterClone?.(bytes, result(0n)), 'child');
    assert.equal(unwind.afterClone?.(bytes, result(4242n)), 'caller');
  }
  assert.equal(
    unwind.afterClone?.(code(0xf100001f, 0x540000a0, 0xd65f03c0, 0xd65f03c0), result(0n)),
    undefined,
  );
  assert.equal(unwind.afterClone?.(glibc.subarray(0, 12), result(0n)), undefined);
});

test('the kernel’s way out of a signal handler', () => {
  assert.equal(unwind.isSignalTrampoline(code(0xd2801168, 0xd4000001)), true);
  assert.equal(unwind.isSignalTrampoline(code(0xd2801148, 0xd4000001)), false);
});
