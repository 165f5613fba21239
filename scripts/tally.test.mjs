import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addCounts, countsOfTap, nothingCounted } from './tally.mjs';

test('totals are read from the end of a TAP report', () => {
  const tap =
    'TAP version 13\nok 1 - # pass 99\n# tests 9\n# suites 0\n# pass 4\n# fail 1\n# cancelled 2\n# skipped 1\n# todo 1\n';
  assert.deepEqual(countsOfTap(tap), { passed: 4, failed: 3, skipped: 2 });
});

test('a report without totals is a failure', () => {
  assert.deepEqual(countsOfTap(''), { passed: 0, failed: 1, skipped: 0 });
});

test('counts add up', () => {
  assert.deepEqual(addCounts({ passed: 1, failed: 2, skipped: 3 }, { ...nothingCounted, passed: 5 }), {
    passed: 6,
    failed: 2,
    skipped: 3,
  });
});
