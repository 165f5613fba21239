import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { align } from './alignment.ts';

const lines = (...keys: string[]) => keys.map((key) => ({ key }));

describe('alignment', () => {
  test('equal lines stand beside each other, others are marked', () => {
    assert.deepEqual(align(lines('a', 'b', 'c'), lines('a', 'x', 'y', 'c')), [
      { before: 0, after: 0, differs: false },
      { before: 1, after: 1, differs: true },
      { before: undefined, after: 2, differs: true },
      { before: 2, after: 3, differs: false },
    ]);
  });

  test('a jump to another line is marked although it reads the same', () => {
    const before = [{ key: 'jmp', jump: 2 }, { key: 'a' }, { key: 'b' }];
    const after = [{ key: 'jmp', jump: 1 }, { key: 'a' }, { key: 'b' }];
    assert.deepEqual(
      align(before, after).map(({ differs }) => differs),
      [true, false, false],
    );
    assert.ok(align(before, before).every(({ differs }) => !differs));
  });

  test('every line appears once and in order', () => {
    const listing = fc.array(
      fc.constantFrom('a', 'b', 'c').map((key) => ({ key })),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(listing, listing, (before, after) => {
        const rows = align(before, after);
        const known = (index: number | undefined): index is number => index !== undefined;
        assert.deepEqual(rows.map((row) => row.before).filter(known), [...before.keys()]);
        assert.deepEqual(rows.map((row) => row.after).filter(known), [...after.keys()]);
        for (const row of rows)
          if (!row.differs) assert.equal(before[row.before!]?.key, after[row.after!]?.key);
      }),
    );
  });
});
