import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../bytes/record.ts';
import { Rela } from './layout.ts';
import { RelativeWords } from './relative-words.ts';

const RELATIVE = 8;
type Entry = readonly [place: bigint, type: number, addend: bigint];

/** `shift`: bytes in front, so that the table is not aligned. */
function table(entries: readonly Entry[], shift = 0): Uint8Array {
  const bytes = new Uint8Array(shift + entries.length * Rela.size).subarray(shift);
  entries.forEach(([offset, type, addend], i) => {
    const entry = Rela.edit(viewOf(bytes), i * Rela.size);
    entry.offset = offset;
    entry.type = type;
    entry.addend = addend;
  });
  return bytes;
}

const ENTRIES: readonly Entry[] = [
  [0x10n, RELATIVE, -5n],
  [0x18n, 6, 7n],
  [0xffff_fff8n, RELATIVE, 0x1_2345_6789n],
  [0x1_0000_0000n, RELATIVE, 3n],
];

for (const [name, entries] of [
  ['ascending', ENTRIES],
  ['in any order', [...ENTRIES].reverse()],
] as const) {
  for (const shift of [0, 1, 4])
    test(`the addend of a word is found by its address: entries ${name}, ${shift} bytes off`, () => {
      const words = RelativeWords.of(table(entries, shift), RELATIVE);
      assert.equal(words.addendAt(0x10n), -5n);
      assert.equal(words.addendAt(0xffff_fff8n), 0x1_2345_6789n);
      assert.equal(words.addendAt(0x1_0000_0000n), 3n);
      for (const other of [0n, 0x11n, 0x18n, 0xffff_fff9n, 0x2_0000_0000n])
        assert.equal(words.addendAt(other), undefined);
    });
}

test('an empty table has no words', () => {
  assert.equal(RelativeWords.of(new Uint8Array(0), RELATIVE).addendAt(0n), undefined);
});
