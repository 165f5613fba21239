/** Mutated ELF files and memory: answers or one clear error, never a crash, never long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { framesOfFile } from '../../src/dwarf/find-frames.ts';
import { ElfImage } from '../../src/elf/image.ts';
import { askImage, askMemory } from './ask-elf.ts';
import { elfSamples, mutated, mutations, RUNS, timed } from './elf-samples.ts';

const samples = elfSamples();

const fuzz = (name: string, check: (bytes: Uint8Array) => void): void => {
  test(name, () => {
    fc.assert(
      fc.property(fc.constantFrom(...samples), mutations, (bytes, changes) => {
        const input = mutated(bytes, changes);
        timed(() => check(input));
      }),
      { numRuns: RUNS },
    );
  });
};

fuzz('mutated ELF files', askImage);
fuzz('mutated ELF memory', askMemory);

test('files cut at any length', () => {
  for (const bytes of samples) {
    for (let size = 0; size < bytes.length; size += size < 1024 ? 7 : 331) askImage(bytes.subarray(0, size));
  }
});

test('the unmutated samples answer every question', () => {
  for (const bytes of samples) {
    const image = ElfImage.parse(bytes);
    assert.ok(image.sections.length > 5);
    assert.ok(image.symbols.length + image.dynamicSymbols.length > 3);
    for (const section of image.sections) image.relocations(section);
    assert.ok((framesOfFile(image)?.length ?? 0) > 0);
  }
});
