/** Every question that is asked of an ELF file, of one in memory and of call frames. */
import { remote, vaddr } from '../../src/bytes/address.ts';
import { EhFrame } from '../../src/dwarf/eh-frame.ts';
import { framesOfFile, framesOfMemory } from '../../src/dwarf/find-frames.ts';
import { ElfImage } from '../../src/elf/image.ts';
import { MemoryImage } from '../../src/elf/memory-image.ts';
import type { SymbolTable } from '../../src/elf/symbols.ts';
import { ask } from './elf-samples.ts';

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

export function askImage(bytes: Uint8Array): void {
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

export function askMemory(bytes: Uint8Array): void {
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

export function askFrames(bytes: Uint8Array, address: bigint, isDebugFrame: boolean): void {
  ask(() => {
    const frames = EhFrame.parse(bytes, { address: vaddr(address), isDebugFrame });
    for (let index = 0; index < frames.length; index++) {
      ask(() => {
        const fde = frames.at(index);
        ask(() => frames.rowsOf(fde).length);
        ask(() => frames.rowAt(fde.start));
        ask(() => frames.rowFor(fde, vaddr(fde.end - 1n)));
      });
    }
  });
}
