/**
 * The ELF part of a patch file as tables: each offset, size, index and name is checked against the file before it is
 * used, and the work done is bounded by the size of the file. gABI ch. 4.
 */
import { SutureError } from '../base/errors.ts';
import { decodeText } from '../bytes/cursor.ts';
import { viewOf } from '../bytes/record.ts';
import {
  ELFCLASS64,
  ELFDATA2LSB,
  ET_REL,
  SHF_ALLOC,
  SHN_LORESERVE,
  SHT_NOBITS,
  SHT_NULL,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
} from '../elf/constants.ts';
import { Ehdr, Rela, Shdr, Sym } from '../elf/layout.ts';

export const bad = (message: string): SutureError => new SutureError('BAD_PATCH', message);

export interface ObjectSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  /** Bytes in the ELF part; 0 long for SHT_NOBITS. */
  readonly bytes: Uint8Array;
  readonly fileOffset: number;
  /** sh_size. */
  readonly size: number;
  readonly align: number;
  readonly link: number;
  readonly info: number;
}

export interface ObjectSymbol {
  readonly name: string;
  readonly type: number;
  readonly bind: number;
  readonly shndx: number;
  readonly value: bigint;
  readonly size: number;
}

export interface ObjectRelocation {
  readonly offset: number;
  readonly type: number;
  readonly symbol: number;
  readonly addend: bigint;
}

export interface ObjectTables {
  readonly machine: number;
  readonly sections: readonly ObjectSection[];
  readonly symbols: readonly ObjectSymbol[];
  /** By index of the section that they apply to. */
  readonly relocations: ReadonlyMap<number, readonly ObjectRelocation[]>;
}

/** Size and address of NOBITS sections are the base's: bounded only by what a number holds. */
const MAX_NOBITS = 2n ** 48n;

/** @throws SutureError BAD_PATCH, or BAD_FORMAT from a read past the end. */
export function readObject(elf: Uint8Array): ObjectTables {
  const view = viewOf(elf);
  const header = Ehdr.on(view, 0);
  if (header.magic !== '\x7fELF') throw bad('no ELF file follows the header');
  if (header.class !== ELFCLASS64 || header.data !== ELFDATA2LSB || header.type !== ET_REL) {
    throw bad('the ELF part is not a 64-bit little-endian relocatable file');
  }
  if (header.shentsize !== Shdr.size || header.shnum === 0 || header.phnum !== 0) {
    throw bad('the ELF part has a wrong section header table');
  }
  const shoff = fileNumber(header.shoff, elf.length, 'the section header table');
  if (shoff % 8 !== 0 || shoff + header.shnum * Shdr.size > elf.length) {
    throw bad('the section header table lies outside of the file');
  }
  const sections = readSections(elf, shoff, header.shnum, header.shstrndx);
  refuseOverlap([
    { what: 'the ELF header', start: 0, end: Ehdr.size },
    { what: 'the section header table', start: shoff, end: shoff + header.shnum * Shdr.size },
    ...sections.map(({ name, fileOffset, bytes }) => ({
      what: `section ${name}`,
      start: fileOffset,
      end: fileOffset + bytes.length,
    })),
  ]);
  const symtabs = sections.filter(({ type }) => type === SHT_SYMTAB);
  const symtab = symtabs[0];
  if (symtab === undefined || symtabs.length > 1) throw bad('the ELF part must have one symbol table');
  const symbols = readSymbols(symtab, sections);
  return { machine: header.machine, sections, symbols, relocations: readRelocations(sections, symtab.index) };
}

function fileNumber(value: bigint, limit: number, what: string): number {
  if (value > BigInt(limit)) throw bad(`${what} lies outside of the file`);
  return Number(value);
}

function readSections(elf: Uint8Array, shoff: number, count: number, namesIndex: number): ObjectSection[] {
  const view = viewOf(elf);
  const entry = (index: number) => Shdr.on(view, shoff + index * Shdr.size);
  if (namesIndex === 0 || namesIndex >= count || entry(namesIndex).type !== SHT_STRTAB) {
    throw bad('the ELF part has no table of section names');
  }
  const contents = (index: number): { fileOffset: number; bytes: Uint8Array } => {
    const { type, offset, size } = entry(index);
    if (type === SHT_NOBITS || type === SHT_NULL) return { fileOffset: 0, bytes: elf.subarray(0, 0) };
    const fileOffset = fileNumber(offset, elf.length, `section ${index}`);
    const length = fileNumber(size, elf.length - fileOffset, `section ${index}`);
    return { fileOffset, bytes: elf.subarray(fileOffset, fileOffset + length) };
  };
  const names = new Names(contents(namesIndex).bytes, 'section names');

  return Array.from({ length: count }, (_, index) => {
    const { name: nameOffset, type, flags, addr, size, addralign, link, info } = entry(index);
    const name = names.at(nameOffset);
    if (size > MAX_NOBITS || addr + size > 2n ** 64n) throw bad(`section ${name} has an impossible size`);
    // Alignment is judged where it matters; here it must only be a power of two that a number holds.
    if ((addralign & (addralign - 1n)) !== 0n || addralign > MAX_NOBITS) {
      throw bad(`section ${name} has an alignment of ${addralign}`);
    }
    return {
      index,
      name,
      type,
      // Flags beyond 32 bits belong to processors that this program does not know.
      flags: Number(flags & 0xffff_ffffn),
      address: addr,
      ...contents(index),
      size: Number(size),
      align: Math.max(1, Number(addralign)),
      link,
      info,
    };
  });
}

function readSymbols(symtab: ObjectSection, sections: readonly ObjectSection[]): ObjectSymbol[] {
  const strtab = sections[symtab.link];
  if (strtab?.type !== SHT_STRTAB) throw bad('the symbol table has no table of names');
  if (symtab.bytes.length % Sym.size !== 0 || symtab.bytes.length === 0) {
    throw bad('the symbol table has a wrong size');
  }
  const names = new Names(strtab.bytes, 'symbol names');
  const view = viewOf(symtab.bytes);
  return Array.from({ length: symtab.bytes.length / Sym.size }, (_, index) => {
    const { name: nameOffset, info, shndx, value, size } = Sym.on(view, index * Sym.size);
    const name = names.at(nameOffset);
    if (shndx < SHN_LORESERVE && shndx >= sections.length) {
      throw bad(`symbol ${index} (${name}) lies in section ${shndx} of ${sections.length}`);
    }
    if (size > MAX_NOBITS) throw bad(`symbol ${index} (${name}) has an impossible size`);
    return { name, type: info & 0xf, bind: info >> 4, shndx, value, size: Number(size) };
  });
}

function readRelocations(
  sections: readonly ObjectSection[],
  symtab: number,
): Map<number, ObjectRelocation[]> {
  const relocations = new Map<number, ObjectRelocation[]>();
  for (const section of sections) {
    if (section.type !== SHT_RELA) continue;
    // A dynamic linker's table, of which LibcarePlus leaves the header.
    if ((section.flags & SHF_ALLOC) !== 0 && !isRelocatable(sections[section.info])) continue;
    const target = sections[section.info];
    if (section.info === 0 || target === undefined || section.link !== symtab) {
      throw bad(`section ${section.name} has relocations of nothing`);
    }
    if (relocations.has(target.index)) throw bad(`section ${target.name} has two tables of relocations`);
    if (section.bytes.length % Rela.size !== 0) throw bad(`section ${section.name} has a wrong size`);
    // What stays behind as a mere header (the base's sections) has nothing to relocate.
    if (!isRelocatable(target)) {
      if (section.bytes.length > 0) throw bad(`section ${target.name} has relocations, but no contents`);
      continue;
    }
    const view = viewOf(section.bytes);
    relocations.set(
      target.index,
      Array.from({ length: section.bytes.length / Rela.size }, (_, i) => {
        const { offset, type, symbol, addend } = Rela.on(view, i * Rela.size);
        if (offset > BigInt(target.bytes.length)) {
          throw bad(`relocation ${i} of ${target.name} lies outside of the section`);
        }
        return { offset: Number(offset), type, symbol, addend };
      }),
    );
  }
  return relocations;
}

const isRelocatable = (section: ObjectSection | undefined): boolean =>
  section !== undefined && section.type !== SHT_NOBITS && (section.flags & SHF_ALLOC) !== 0;

function refuseOverlap(ranges: { what: string; start: number; end: number }[]): void {
  const sorted = ranges.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  sorted.forEach((range, i) => {
    const before = sorted[i - 1];
    if (before !== undefined && before.end > range.start) throw bad(`${before.what} overlaps ${range.what}`);
  });
}

/**
 * Names by offset. Tails may be shared, so that a hostile table makes many long names of few bytes: the sum of all
 * names is bounded by a multiple of the table's size.
 */
export class Names {
  readonly #known = new Map<number, string>();
  #budget: number;

  constructor(
    readonly bytes: Uint8Array,
    readonly what: string,
  ) {
    this.#budget = bytes.length * 8 + 1024;
  }

  at(offset: number): string {
    const known = this.#known.get(offset);
    if (known !== undefined) return known;
    const end = offset < this.bytes.length ? this.bytes.indexOf(0, offset) : -1;
    // gABI: an empty table is allowed, and index 0 of it is the empty name.
    if (end < 0 && offset === 0) return '';
    if (end < 0) throw bad(`${this.what}: the name at offset ${offset} does not end`);
    this.#budget -= end - offset + 1;
    if (this.#budget < 0) throw bad(`${this.what}: the names are longer than the table`);
    const name = decodeText(this.bytes.subarray(offset, end));
    this.#known.set(offset, name);
    return name;
  }
}
