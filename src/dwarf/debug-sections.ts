/** The .debug_* sections of an object file, decompressed and with their relocations applied. gABI ch. 4, "Section Compression". */
import { archOfMachine } from '../arch/index.ts';
import { SutureError } from '../base/errors.ts';
import { viewOf } from '../bytes/record.ts';
import { SHF_COMPRESSED } from '../elf/constants.ts';
import type { ElfImage, Section } from '../elf/image.ts';
import { relocate } from '../elf/relocate.ts';
import type { DebugSections } from './debug-info.ts';

/** Size of Elf64_Chdr, and its ch_type for zlib. */
const CHDR_SIZE = 24;
const ELFCOMPRESS_ZLIB = 1;

/** Undoes zlib; the caller brings it, because this folder does no I/O and knows no library. */
export type Inflate = (deflated: Uint8Array) => Uint8Array;

/**
 * The sections that types are read from, or undefined if the image has no .debug_info. Relocations there refer to
 * other debug sections, which a relocatable file places at 0. Throws BAD_FORMAT, UNSUPPORTED.
 */
export function debugSectionsOf(image: ElfImage, inflate: Inflate): DebugSections | undefined {
  const info = image.section('.debug_info');
  const abbrev = image.section('.debug_abbrev');
  if (info === undefined || abbrev === undefined) return undefined;
  const contents = (name: string): Uint8Array | undefined => {
    const section = image.section(name);
    return section && decompressed(image, section, inflate);
  };
  return {
    info: relocated(image, info, inflate),
    abbrev: decompressed(image, abbrev, inflate),
    str: contents('.debug_str'),
    lineStr: contents('.debug_line_str'),
    strOffsets:
      image.section('.debug_str_offsets') && relocated(image, image.section('.debug_str_offsets')!, inflate),
  };
}

function decompressed(image: ElfImage, section: Section, inflate: Inflate): Uint8Array {
  const bytes = image.contents(section);
  if ((section.flags & SHF_COMPRESSED) === 0) return bytes;
  const type = viewOf(bytes).getUint32(0, true);
  if (type !== ELFCOMPRESS_ZLIB) {
    throw new SutureError('UNSUPPORTED', `${image.name}: ${section.name} is compressed by method ${type}`, {
      remedy: 'compile with -gz=zlib or -gz=none',
    });
  }
  return inflate(bytes.subarray(CHDR_SIZE));
}

function relocated(image: ElfImage, section: Section, inflate: Inflate): Uint8Array {
  // A copy, also of a Buffer, whose slice is a view.
  const bytes = Uint8Array.from(decompressed(image, section, inflate));
  const facts = archOfMachine(image.machine)?.relocations;
  if (facts === undefined) return bytes;
  const view = viewOf(bytes);
  for (const { offset, type, symbolIndex, addend } of image.relocations(section)) {
    const fact = facts.get(type);
    const at = Number(offset);
    if (fact === undefined || at + fact.size > bytes.length) {
      throw new SutureError(
        'BAD_FORMAT',
        `${image.name}: ${section.name} has a relocation of type ${type} at ${at}`,
      );
    }
    // Addresses of code do not matter here; everything else is an offset in a section that stands at 0.
    relocate(view, at, fact, { value: image.symbols.at(symbolIndex).value, addend, place: 0n, got: 0n });
  }
  return bytes;
}
