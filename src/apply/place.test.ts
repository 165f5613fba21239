import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remote } from '../bytes/address.ts';
import { placesFor } from './place.ts';

const KiB = 1024n;
const mapping = (start: bigint, end: bigint, path = '') => ({ start: remote(start), end: remote(end), path });
const base = { pageSize: 4096, reach: (1n << 31n) - 5n, lowest: remote(0x10000n) };
const object = (start: bigint, end: bigint) => ({ start: remote(start), end: remote(end), name: 'prog' });

test('the nearest hole wins, with one page free on both sides', () => {
  const occupied = [
    mapping(0x5555_0000_0000n, 0x5555_0001_0000n, '/prog'),
    mapping(0x5555_0002_0000n, 0x5555_0003_0000n),
  ];
  const places = placesFor({
    ...base,
    size: 0x4000,
    object: object(0x5555_0000_0000n, 0x5555_0001_0000n),
    occupied,
  });
  assert.equal(places[0], 0x5555_0000_0000n - 4n * KiB - 0x4000n);
  assert.ok(places.includes(remote(0x5555_0001_1000n)));
});

test('a hole too small for the region and its guard pages is passed over', () => {
  const occupied = [
    mapping(0x10000n, 0x400000n),
    mapping(0x400000n, 0x500000n, '/prog'),
    mapping(0x505000n, 0x600000n),
    mapping(0x700000n, 0x800000n),
  ];
  const places = placesFor({ ...base, size: 0x4000, object: object(0x400000n, 0x500000n), occupied });
  assert.deepEqual(places, [0x601000n]);
});

test('both ends of the object must be within reach', () => {
  const occupied = [
    mapping(0x7000_0000_0000n, 0x7000_0000_1000n),
    mapping(0x7000_1000_0000n, 0x7000_3000_0000n, '/lib'),
    mapping(0x7000_3000_0000n, 0x7fff_0000_0000n),
  ];
  const reach = 0x2800_0000n;
  const [at] = placesFor({
    ...base,
    size: 0x1000,
    object: object(0x7000_1000_0000n, 0x7000_3000_0000n),
    reach,
    occupied,
  });
  assert.ok(at !== undefined && 0x7000_3000_0000n - at <= reach);
});

test('an object below 2 GiB keeps its region below 2 GiB', () => {
  const occupied = [
    mapping(0x10000n, 0x400000n),
    mapping(0x400000n, 0x7fff_0000n, '/prog'),
    mapping(0x9000_0000n, 0xa000_0000n),
  ];
  assert.throws(() =>
    placesFor({ ...base, size: 0x10000, object: object(0x400000n, 0x7fff_0000n), occupied }),
  );
});

test('the heap keeps room to grow', () => {
  const occupied = [
    mapping(0x10000n, 0x5555_0000_0000n),
    mapping(0x5555_0000_0000n, 0x5555_0010_0000n, '/prog'),
    mapping(0x5555_0010_0000n, 0x5555_0020_0000n, '[heap]'),
    mapping(0x7f00_0000_0000n, 0x7f00_0010_0000n),
  ];
  const [at] = placesFor({
    ...base,
    size: 0x10000,
    object: object(0x5555_0000_0000n, 0x5555_0010_0000n),
    occupied,
  });
  assert.ok(at !== undefined && at - 0x5555_0020_0000n >= 1n << 28n);
});

test('no hole within reach is NO_ROOM', () => {
  const occupied = [mapping(0x10000n, 0x7fff_ffff_0000n, '/prog')];
  assert.throws(
    () => placesFor({ ...base, size: 0x1000, object: object(0x400000n, 0x500000n), occupied }),
    (error: Error & { code?: string }) => error.code === 'NO_ROOM',
  );
});
