/** Where an object keeps its call frame information, in a file and in memory. */
import { SutureError } from '../base/errors.ts';
import { type Vaddr, vaddr } from '../bytes/address.ts';
import { Cursor } from '../bytes/cursor.ts';
import { viewOf } from '../bytes/record.ts';
import { PT_GNU_EH_FRAME, PT_LOAD, SHF_COMPRESSED, SHT_NOBITS } from '../elf/constants.ts';
import type { ElfImage } from '../elf/image.ts';
import type { MemoryImage } from '../elf/memory-image.ts';
import { type Segment, segmentOf } from '../elf/segments.ts';
import { EhFrame } from './eh-frame.ts';
import {
  DW_EH_PE_datarel,
  DW_EH_PE_omit,
  DW_EH_PE_sdata4,
  readEncodedPointer,
  readEncodedValue,
} from './pointer-encoding.ts';

/** The parts of ElfImage and MemoryImage that lead from program headers to .eh_frame. */
interface Loaded {
  readonly name: string;
  readonly segments: readonly Segment[];
  readVaddr(at: Vaddr, size: number): Uint8Array;
}

/**
 * The frames of a file: .eh_frame, or what PT_GNU_EH_FRAME leads to in a file without section headers, or
 * .debug_frame. undefined when there are none. BAD_FORMAT when they are damaged.
 */
export function framesOfFile(image: ElfImage): EhFrame | undefined {
  const section = image.section('.eh_frame');
  if (section !== undefined && section.type !== SHT_NOBITS && section.size > 0) {
    return EhFrame.parse(image.contents(section), {
      address: section.address,
      textBase: image.section('.text')?.address,
      dataBase: image.section('.got')?.address,
      name: `${image.name}: .eh_frame`,
    });
  }
  if (section === undefined && image.sections.length === 0) return framesOfSegments(image);
  return debugFramesOfFile(image);
}

/** .debug_frame of a file, which -fno-asynchronous-unwind-tables leaves as the only one. */
export function debugFramesOfFile(image: ElfImage): EhFrame | undefined {
  const section = image.section('.debug_frame');
  if (section === undefined || section.type === SHT_NOBITS || section.size === 0) return undefined;
  if ((section.flags & SHF_COMPRESSED) !== 0) return undefined;
  return EhFrame.parse(image.contents(section), {
    address: vaddr(0n),
    isDebugFrame: true,
    name: `${image.name}: .debug_frame`,
  });
}

/** The frames of a mapped object, the vdso included. undefined without PT_GNU_EH_FRAME; BAD_FORMAT when damaged. */
export function framesOfMemory(image: MemoryImage): EhFrame | undefined {
  return framesOfSegments(image);
}

/**
 * The frames of a mapped object whose file may be at hand: from memory, which is what runs; static executables have no
 * PT_GNU_EH_FRAME, so that only their file's section headers tell.
 */
export function framesOfObject(memory: MemoryImage, file: ElfImage | undefined): EhFrame | undefined {
  return framesOfMemory(memory) ?? (file && framesOfFile(file));
}

function framesOfSegments(image: Loaded): EhFrame | undefined {
  const header = image.segments.find(({ type }) => type === PT_GNU_EH_FRAME);
  if (header === undefined) return undefined;
  const what = `${image.name}: .eh_frame_hdr`;
  const cursor = new Cursor(image.readVaddr(header.vaddr, header.memSize), what);
  const bases = { section: header.vaddr, data: header.vaddr };
  const version = cursor.u8();
  if (version !== 1) throw new SutureError('BAD_FORMAT', `${what}: version ${version}`);
  const pointerEncoding = cursor.u8();
  const countEncoding = cursor.u8();
  const tableEncoding = cursor.u8();
  const pointer = readEncodedPointer(cursor, pointerEncoding, bases);
  if (pointer === undefined || pointer.indirect) {
    throw new SutureError('BAD_FORMAT', `${what} does not tell where .eh_frame is`);
  }
  const start = vaddr(pointer.value);
  const segment = segmentOf(image.segments, start);
  if (segment === undefined) {
    throw new SutureError('BAD_FORMAT', `${what}: .eh_frame at 0x${start.toString(16)} is not loaded`);
  }
  const room = segment.fileSize - Number(start - segment.vaddr);
  const last =
    countEncoding !== DW_EH_PE_omit && tableEncoding === (DW_EH_PE_datarel | DW_EH_PE_sdata4)
      ? lastEntry(cursor, header.vaddr, Number(readEncodedValue(cursor, countEncoding)))
      : undefined;
  const size = last === undefined ? room : sizeUpTo(image, start, last, room);
  return EhFrame.parse(image.readVaddr(start, size), {
    address: start,
    textBase: image.segments.find(({ type, flags }) => type === PT_LOAD && (flags & 1) !== 0)?.vaddr,
    endsAtTerminator: last === undefined,
    name: `${image.name}: .eh_frame`,
  });
}

/**
 * Address of the FDE with the highest address among those of the search table. In memory nothing else tells where
 * .eh_frame ends: the terminator is missing where no crtend.o was linked, as in the vdso.
 */
function lastEntry(cursor: Cursor, base: Vaddr, count: number): Vaddr | undefined {
  if (!(count > 0 && count * 8 <= cursor.remaining)) return undefined;
  const table = viewOf(cursor.bytes(count * 8));
  let last = -Infinity;
  for (let i = 0; i < count; i++) last = Math.max(last, table.getInt32(i * 8 + 4, true));
  return vaddr(base + BigInt(last));
}

/** Bytes from `start` to the end of the entry at `last`. */
function sizeUpTo(image: Loaded, start: Vaddr, last: Vaddr, room: number): number {
  const offset = last - start;
  if (offset < 0n || offset + 4n > BigInt(room)) {
    throw new SutureError('BAD_FORMAT', `${image.name}: .eh_frame_hdr leads out of .eh_frame`);
  }
  const length = viewOf(image.readVaddr(last, 4)).getUint32(0, true);
  const size = Number(offset) + 4 + length;
  if (length === 0xffff_ffff || size > room) {
    throw new SutureError(
      'BAD_FORMAT',
      `${image.name}: the last entry of .eh_frame does not fit its segment`,
    );
  }
  return size;
}
