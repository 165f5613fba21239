import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, duration, listed, size } from './quantity.ts';

test('times are in the unit that suits them', () => {
  const cases: [number, string][] = [
    [0, '0 µs'],
    [412.4, '412 µs'],
    [1380, '1.38 ms'],
    [99_999, '100.00 ms'],
    [250_000, '250 ms'],
    [2_100_000, '2.1 s'],
  ];
  for (const [microseconds, text] of cases) assert.equal(duration(microseconds), text);
});

test('sizes, counts and lists', () => {
  assert.equal(size(1), '1 byte');
  assert.equal(size(812), '812 bytes');
  assert.equal(size(4096), '4.0 KiB');
  assert.equal(size(3 << 20), '3.0 MiB');
  assert.equal(counted(0, 'process', 'processes'), '0 processes');
  assert.equal(listed(['a', 'b', 'c'], 3), 'a, b, c');
  assert.equal(listed(['a', 'b', 'c', 'd'], 3), 'a, b and 2 more');
});
