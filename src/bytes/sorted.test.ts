import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lastAtMost, sortedOrder } from './sorted.ts';

const keys = fc.array(
  fc.oneof(fc.bigInt({ min: 0n, max: 50n }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })),
);

test('the order is the one of a stable sort', () => {
  fc.assert(
    fc.property(keys, (values) => {
      const expected = values
        .map((_, i) => i)
        .sort((a, b) => (values[a]! < values[b]! ? -1 : values[a]! > values[b]! ? 1 : a - b));
      assert.deepEqual([...sortedOrder(BigUint64Array.from(values))], expected);
    }),
  );
});

test('many keys are ordered like few', () => {
  // Knuth's multiplicative hash: spread over all digits, and the same in every run.
  const many = BigUint64Array.from({ length: 20_000 }, (_, i) =>
    BigInt.asUintN(64, BigInt(i % 15_000) * 0x9e37_79b9_7f4a_7c15n),
  );
  const expected = [...many.keys()].sort((a, b) =>
    many[a]! < many[b]! ? -1 : many[a]! > many[b]! ? 1 : a - b,
  );
  assert.deepEqual([...sortedOrder(many)], expected);
});

test('lastAtMost finds what a linear search finds', () => {
  fc.assert(
    fc.property(keys, fc.bigInt({ min: 0n, max: 60n }), (values, key) => {
      const column = BigUint64Array.from(values).sort();
      assert.equal(
        lastAtMost(column, key),
        column.findLastIndex((value) => value <= key),
      );
    }),
  );
});
