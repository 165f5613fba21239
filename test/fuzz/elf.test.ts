/** Mutated ELF files and memory: answers or one clear error, never a crash, never long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { remote, vaddr } from '../../src/bytes/address.ts';
import { framesOfFile, framesOfMemory } from '../../src/dwarf/find-frames.ts';
import { ElfImage } from '../../src/elf/image.ts';
import { MemoryImage } from '../../src/elf/memory-image.ts';
import type { SymbolTable } from '../../src/elf/symbols.ts';
import { ask, elfSamples, mutated, mutations, RUNS, timed } from './elf-samples.ts';

const samples = elfSamples();

function askTable(table: () => SymbolTable): void {
  ask(() => table().named('main'));
  ask(() => table().symbolAt(vaddr(0x1139n)));
  ask(() => table().files().length);
  ask(() => {
    for (const symbol of table()) {
      ask(() => [symbol.name, symbol.value, symbol.size, symbol.type, symbol.bind, symbol.visibility]);
      ask(() => [symbol.shndx, symbol.version, symbol.versionHidden, symbol.versionNeeded]);
    }
  });
}

function askEverything(bytes: Uint8Array): void {
  ask(() => {
    const image = ElfImage.parse(bytes);
    ask(() => image.section('.text'));
    ask(() => {
      for (const section of image.sections) {
        ask(() => [section.name, image.contents(section).length]);
        ask(() => image.relocations(section).length);
      }
    });
    ask(() => image.segments.length);
    ask(() => image.loadRange());
    ask(() => image.buildId());
    ask(() => image.needed());
    ask(() => image.soname());
    ask(() => image.dynamicRelocations().map(({ symbol }) => symbol?.name));
    ask(() => image.readVaddr(image.entry, 64));
    askTable(() => image.symbols);
    askTable(() => image.dynamicSymbols);
    ask(() => framesOfFile(image)?.rowAt(vaddr(image.entry + 1n)));
  });
}

function askMemory(bytes: Uint8Array): void {
  const at = 0x5555_0000_0000n;
  const read = (address: bigint, size: number): Uint8Array | undefined => {
    const offset = Number(address - at);
    return offset >= 0 && offset + size <= bytes.length ? bytes.subarray(offset, offset + size) : undefined;
  };
  ask(() => {
    const image = MemoryImage.fromMemory(read, remote(at));
    ask(() => image.buildId);
    ask(() => image.needed());
    ask(() => image.soname());
    ask(() => image.dynamicRelocations().map(({ symbol }) => symbol?.name));
    askTable(() => image.dynamicSymbols);
    ask(() => framesOfMemory(image)?.length);
  });
}

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

fuzz('mutated ELF files', askEverything);
fuzz('mutated ELF memory', askMemory);

test('files cut at any length', () => {
  for (const bytes of samples) {
    for (let size = 0; size < bytes.length; size += size < 1024 ? 7 : 331)
      askEverything(bytes.subarray(0, size));
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
