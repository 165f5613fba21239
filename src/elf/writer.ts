/** Builds ELF files of sections and symbols. The same input gives the same bytes: nothing depends on time, folder or order of keys. */
import { SutureError } from '../base/errors.ts';
import { alignUp } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import {
  ELFCLASS64,
  ELFDATA2LSB,
  ET_REL,
  EV_CURRENT,
  SHF_INFO_LINK,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHT_NOBITS,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_LOCAL,
} from './constants.ts';
import { Ehdr, Rela, Shdr, Sym } from './layout.ts';
import { encodeName } from './strings.ts';

export interface OutputRelocation {
  readonly offset: number;
  readonly type: number;
  /** Index into ObjectFile.symbols, or -1. */
  readonly symbol: number;
  readonly addend: bigint;
}

export interface OutputSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  /** sh_addr. */
  readonly address?: bigint;
  /** Contents; empty for SHT_NOBITS. */
  readonly bytes: Uint8Array;
  /** Bytes of a SHT_NOBITS section. */
  readonly size?: number;
  readonly align: number;
  /** Alignment of the file offset, when it must be larger than `align`. */
  readonly fileAlign?: number;
  readonly relocations?: readonly OutputRelocation[];
}

export interface OutputSymbol {
  readonly name: string;
  readonly bind: number;
  readonly type: number;
  /** Index into ObjectFile.sections; undefined: the symbol is undefined. */
  readonly section: number | undefined;
  readonly value: bigint;
  readonly size: number;
}

export interface ObjectFile {
  /** ET_REL unless given. */
  readonly type?: number;
  readonly machine: number;
  readonly sections: readonly OutputSection[];
  /** Without the null symbol that every table starts with; a relocation names that one by -1. */
  readonly symbols: readonly OutputSymbol[];
}

/** An ELF file and where the contents of each given section lie in it. */
export interface WrittenObject {
  readonly bytes: Uint8Array;
  readonly fileOffsets: readonly number[];
}

/** gABI ch. 4: local symbols precede the others, and symbol and section 0 are null. */
export function writeObject({ type = ET_REL, machine, sections, symbols }: ObjectFile): WrittenObject {
  const order = [...symbols.keys()].sort(
    (a, b) => Number(symbols[a]!.bind !== STB_LOCAL) - Number(symbols[b]!.bind !== STB_LOCAL) || a - b,
  );
  const symbolIndex = new Map(order.map((from, to) => [from, to + 1]));
  const locals = symbols.filter(({ bind }) => bind === STB_LOCAL).length;

  const symbolNames = new StringTableBuilder();
  const symbolTable = concatenate([
    Sym.make({}),
    ...order.map((index) => symbolBytes(symbols[index]!, symbolNames)),
  ]);

  const symtabIndex = 1 + sections.length + sections.filter(hasRelocations).length;
  const headers: { section: OutputSection; link: number; info: number; entrySize: number }[] = [
    ...sections.map((section) => ({ section, link: 0, info: 0, entrySize: 0 })),
    ...sections.flatMap((section, i) =>
      hasRelocations(section)
        ? [
            {
              section: table(
                `.rela${section.name}`,
                SHT_RELA,
                relocationBytes(section, symbolIndex),
                8,
                SHF_INFO_LINK,
              ),
              link: symtabIndex,
              info: i + 1,
              entrySize: Rela.size,
            },
          ]
        : [],
    ),
    {
      section: table('.symtab', SHT_SYMTAB, symbolTable, 8),
      link: symtabIndex + 1,
      info: locals + 1,
      entrySize: Sym.size,
    },
    { section: table('.strtab', SHT_STRTAB, symbolNames.bytes(), 1), link: 0, info: 0, entrySize: 0 },
  ];
  const sectionNames = new StringTableBuilder();
  const nameOffsets = headers.map(({ section }) => sectionNames.offsetOf(section.name));
  nameOffsets.push(sectionNames.offsetOf('.shstrtab'));
  headers.push({
    section: table('.shstrtab', SHT_STRTAB, sectionNames.bytes(), 1),
    link: 0,
    info: 0,
    entrySize: 0,
  });
  if (headers.length + 1 >= SHN_LORESERVE) {
    throw new SutureError('UNSUPPORTED', `${headers.length} sections are more than an ELF header can count`);
  }

  let end = Ehdr.size;
  const fileOffsets = headers.map(({ section }) => {
    const at = alignUp(end, Math.max(section.align, section.fileAlign ?? 1, 1));
    end = section.type === SHT_NOBITS ? end : at + section.bytes.length;
    return section.type === SHT_NOBITS ? end : at;
  });
  const shoff = alignUp(end, 8);

  const bytes = new Uint8Array(shoff + (headers.length + 1) * Shdr.size);
  bytes.set(
    Ehdr.make({
      magic: '\x7fELF',
      class: ELFCLASS64,
      data: ELFDATA2LSB,
      identVersion: EV_CURRENT,
      type,
      machine,
      version: EV_CURRENT,
      shoff: BigInt(shoff),
      ehsize: Ehdr.size,
      shentsize: Shdr.size,
      shnum: headers.length + 1,
      shstrndx: headers.length,
    }),
  );
  headers.forEach(({ section, link, info, entrySize }, i) => {
    const at = fileOffsets[i]!;
    bytes.set(section.bytes, at);
    bytes.set(
      Shdr.make({
        name: nameOffsets[i]!,
        type: section.type,
        flags: BigInt(section.flags),
        addr: section.address ?? 0n,
        offset: BigInt(at),
        size: BigInt(section.type === SHT_NOBITS ? (section.size ?? 0) : section.bytes.length),
        link,
        info,
        addralign: BigInt(section.align),
        entsize: BigInt(entrySize),
      }),
      shoff + (i + 1) * Shdr.size,
    );
  });
  return { bytes, fileOffsets: fileOffsets.slice(0, sections.length) };
}

const hasRelocations = (section: OutputSection): boolean => (section.relocations?.length ?? 0) > 0;

const table = (name: string, type: number, bytes: Uint8Array, align: number, flags = 0): OutputSection => ({
  name,
  type,
  flags,
  bytes,
  align,
});

function symbolBytes(symbol: OutputSymbol, names: StringTableBuilder): Uint8Array {
  return Sym.make({
    name: names.offsetOf(symbol.name),
    info: (symbol.bind << 4) | symbol.type,
    shndx: symbol.section === undefined ? SHN_UNDEF : symbol.section + 1,
    value: BigInt.asUintN(64, symbol.value),
    size: BigInt(symbol.size),
  });
}

function relocationBytes(section: OutputSection, symbolIndex: ReadonlyMap<number, number>): Uint8Array {
  const relocations = section.relocations ?? [];
  const bytes = new Uint8Array(relocations.length * Rela.size);
  const view = viewOf(bytes);
  relocations.forEach(({ offset, type, symbol, addend }, i) => {
    const entry = Rela.edit(view, i * Rela.size);
    entry.offset = BigInt(offset);
    entry.type = type;
    entry.symbol = symbol < 0 ? 0 : symbolIndex.get(symbol)!;
    entry.addend = BigInt.asIntN(64, addend);
  });
  return bytes;
}

class StringTableBuilder {
  readonly #offsets = new Map<string, number>([['', 0]]);
  #size = 1;

  offsetOf(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const at = this.#size;
    this.#offsets.set(name, at);
    this.#size += name.length + 1;
    return at;
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.#size);
    for (const [name, at] of this.#offsets) out.set(encodeName(name), at);
    return out;
  }
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
