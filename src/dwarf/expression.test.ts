import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SutureError } from '../base/errors.ts';
import { evaluate } from './expression.ts';

const context = {
  register: (number: number) => (number < 32 ? BigInt(number * 0x100) : undefined),
  read: (at: bigint, size: number) =>
    at === 0x1000n
      ? Uint8Array.of(0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87).subarray(0, size)
      : undefined,
  bias: 0x10_0000n,
};
const run = (...bytes: number[]) => evaluate(Uint8Array.from(bytes), context);
const word = (value: bigint) => BigInt.asUintN(64, value);

test('constants and registers', () => {
  assert.equal(run(0x30), 0n);
  assert.equal(run(0x4f), 31n);
  assert.equal(run(0x08, 0xff), 255n);
  assert.equal(run(0x09, 0xff), word(-1n));
  assert.equal(run(0x0a, 0x34, 0x12), 0x1234n);
  assert.equal(run(0x0b, 0xfe, 0xff), word(-2n));
  assert.equal(run(0x0c, 1, 0, 0, 0x80), 0x8000_0001n);
  assert.equal(run(0x0d, 0xff, 0xff, 0xff, 0xff), word(-1n));
  assert.equal(run(0x0e, 1, 0, 0, 0, 0, 0, 0, 0x80), 0x8000_0000_0000_0001n);
  assert.equal(run(0x10, 0x80, 0x01), 128n);
  assert.equal(run(0x11, 0x7f), word(-1n));
  assert.equal(run(0x77, 0x78), 0x700n - 8n, 'breg7 -8');
  assert.equal(run(0x92, 0x10, 0x04), 0x1004n, 'bregx 16 4');
  assert.equal(run(0x03, 4, 0, 0, 0, 0, 0, 0, 0), 0x10_0004n, 'addr is link-time');
});

test('the stack is rearranged as DWARF says', () => {
  assert.equal(run(0x31, 0x32, 0x33, 0x17), 2n, 'rot: the second entry comes to the top');
  assert.equal(run(0x31, 0x32, 0x33, 0x17, 0x13), 1n, 'rot: the third entry becomes the second');
  assert.equal(run(0x31, 0x32, 0x33, 0x17, 0x13, 0x13), 3n, 'rot: the top becomes the third');
  assert.equal(run(0x31, 0x32, 0x16), 1n);
  assert.equal(run(0x31, 0x32, 0x14), 1n, 'over');
  assert.equal(run(0x31, 0x32, 0x33, 0x15, 2), 1n, 'pick');
  assert.equal(run(0x35, 0x12, 0x1e), 25n, 'dup');
});

test('arithmetic wraps at 64 bits; division and comparison are signed', () => {
  assert.equal(run(0x30, 0x31, 0x1c), word(-1n));
  assert.equal(run(0x09, 0xf8, 0x32, 0x1b), word(-4n), '-8 / 2');
  assert.equal(run(0x39, 0x34, 0x1d), 1n, '9 mod 4');
  assert.equal(run(0x09, 0xff, 0x19), 1n, 'abs');
  assert.equal(run(0x31, 0x1f), word(-1n), 'neg');
  assert.equal(run(0x30, 0x20), word(-1n), 'not');
  assert.equal(run(0x3c, 0x3a, 0x1a), 8n);
  assert.equal(run(0x3c, 0x3a, 0x21), 14n);
  assert.equal(run(0x3c, 0x3a, 0x27), 6n);
  assert.equal(run(0x31, 0x08, 63, 0x24), 1n << 63n);
  assert.equal(run(0x31, 0x08, 64, 0x24), 0n);
  assert.equal(run(0x09, 0x80, 0x34, 0x25), word(-128n) >> 4n, 'shr');
  assert.equal(run(0x09, 0x80, 0x34, 0x26), word(-8n), 'shra');
  assert.equal(run(0x09, 0xff, 0x30, 0x2d), 1n, '-1 < 0');
  assert.equal(run(0x31, 0x31, 0x29), 1n);
  assert.equal(run(0x31, 0x32, 0x2a), 0n);
  assert.equal(run(0x31, 0x23, 0x80, 0x01), 129n, 'plus_uconst');
});

test('memory and jumps', () => {
  assert.equal(run(0x0a, 0x00, 0x10, 0x06), 0x8796_a5b4_c3d2_e1f0n);
  assert.equal(run(0x0a, 0x00, 0x10, 0x94, 2), 0xe1f0n);
  assert.equal(run(0x31, 0x28, 1, 0, 0x3f, 0x35), 5n, 'bra taken');
  assert.equal(run(0x36, 0x30, 0x28, 1, 0, 0x35), 5n, 'bra not taken');
  assert.equal(run(0x33, 0x2f, 1, 0, 0x3f), 3n, 'skip');
  assert.equal(evaluate(Uint8Array.of(0x38, 0x22), context, 0x7000n), 0x7008n, 'the CFA is on the stack');
});

test("the PLT's expression yields 8 or 16 by the place in the entry", () => {
  // rsp + 8 + ((rip & 15) >= 11) << 3
  const plt = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];
  const at = (pc: bigint) =>
    evaluate(Uint8Array.from(plt), { ...context, register: (number) => (number === 16 ? pc : 0x5000n) });
  assert.equal(at(0x4010n), 0x5008n);
  assert.equal(at(0x401bn), 0x5010n);
});

test('what cannot be evaluated is an error', () => {
  for (const [why, bytes] of [
    ['nothing', []],
    ['empty stack', [0x22]],
    ['division by zero', [0x31, 0x30, 0x1b]],
    ['unknown register', [0x92, 40, 0]],
    ['unreadable memory', [0x30, 0x06]],
    ['endless loop', [0x2f, 0xfd, 0xff]],
    ['jump outside', [0x2f, 0x10, 0x00]],
    ['operation of locations', [0x50]],
    ['cut short', [0x0c, 1]],
    ['stack without end', [0x30, 0x12, 0x2f, 0xfc, 0xff]],
  ] as const) {
    assert.throws(
      () => run(...bytes),
      (error: unknown) => error instanceof SutureError && error.code === 'BAD_FORMAT',
      why,
    );
  }
});
