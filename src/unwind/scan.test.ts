import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { remote } from '../bytes/address.ts';
import { scanStack, scanWords } from './scan.ts';

const AT = remote(0x7ffd_0000_1000n);
const range = (start: bigint, end: bigint) => ({ start: remote(start), end: remote(end) });
const A = range(0x7f00_0000_1000n, 0x7f00_0000_1100n);
const B = range(0x0055_0000_2000n, 0x0055_0000_2010n);

function words(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setBigUint64(i * 8, value, true);
  return bytes;
}

test('words behind a start, up to and including an end, are candidates', () => {
  const stack = words([A.start, A.start + 1n, A.end, A.end + 1n, B.start + 8n, 0n, 0xffff_ffff_ffff_ffffn]);
  assert.deepEqual(
    scanWords(stack, AT, [A, B]).map(({ at, value, range: found }) => [at - AT, value, found]),
    [
      [8n, A.start + 1n, A],
      [16n, A.end, A],
      [32n, B.start + 8n, B],
    ],
  );
  assert.equal(scanWords(stack, AT, [A], { includeStart: true }).length, 3);
  assert.deepEqual(scanWords(stack, AT, []), []);
  assert.deepEqual(scanWords(stack, AT, [range(5n, 5n)]), []);
});

test('a word belongs to every range that it may be in', () => {
  const next = range(A.end, A.end + 0x10n);
  const found = scanWords(words([A.end]), AT, [next, A], { includeStart: true });
  assert.deepEqual(
    found.map(({ range: of }) => of),
    [A, next],
  );
});

test('only words at aligned addresses count, wherever the bytes begin', () => {
  const bytes = new Uint8Array(27);
  bytes.set(words([A.start + 4n, A.start + 8n]), 3);
  assert.deepEqual(
    scanWords(bytes, remote(AT + 5n), [A]).map(({ at, value }) => [at, value]),
    [
      [AT + 8n, A.start + 4n],
      [AT + 16n, A.start + 8n],
    ],
  );
});

test('authentication bits are not part of an address', () => {
  const stack = words([(A.start + 4n) | (0x2an << 48n)]);
  assert.equal(scanWords(stack, AT, [A]).length, 0);
  const found = scanWords(stack, AT, [A], { authenticationMask: 0x7fn << 48n });
  assert.deepEqual(
    found.map(({ value }) => value),
    [A.start + 4n],
  );
});

test('the fast comparison finds exactly what the plain one finds', () => {
  const near = (edge: bigint) => fc.bigInt({ min: edge - 3n, max: edge + 3n });
  const word = fc.oneof(
    near(A.start),
    near(A.end),
    near(B.start),
    near(B.end),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  );
  fc.assert(
    fc.property(fc.array(word), (values) => {
      const expected = values.flatMap((value, i) =>
        [B, A]
          .filter(({ start, end }) => value > start && value <= end)
          .map((of) => [BigInt(i * 8), value, of]),
      );
      const found = scanWords(words(values), AT, [A, B]).map(({ at, value, range: of }) => [
        at - AT,
        value,
        of,
      ]);
      assert.deepEqual(found, expected);
    }),
  );
});

test('a stack is scanned in pieces, around pages that cannot be read', () => {
  const size = 3 << 20;
  const hole = { start: AT + 0x10_0000n + 0x3000n, end: AT + 0x10_0000n + 0x4000n };
  const memory = new Uint8Array(size);
  const view = new DataView(memory.buffer);
  const places = [0, 0x0f_fff8, 0x10_0000, 0x10_2ff8, 0x10_4000, size - 8];
  for (const place of [...places, 0x10_3000]) view.setBigUint64(place, A.start + 4n, true);
  const { candidates, unreadable } = scanStack(
    (at, length) => {
      if (at < hole.end && at + BigInt(length) > hole.start) return undefined;
      return memory.subarray(Number(at - AT), Number(at - AT) + length);
    },
    AT,
    remote(AT + BigInt(size)),
    [A],
    { pageSize: 4096 },
  );
  assert.deepEqual(
    candidates.map(({ at }) => Number(at - AT)),
    places,
  );
  assert.equal(unreadable, 4096);
});
