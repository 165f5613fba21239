import { SutureError } from '../base/errors.ts';
import { alignUp, hex } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import {
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_TLS,
  SHF_WRITE,
  SHT_NOBITS,
  SHT_PROGBITS,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_FUNC,
  STT_NOTYPE,
  STT_OBJECT,
  STT_SECTION,
  STT_TLS,
} from '../elf/constants.ts';
import { encodeName } from '../elf/strings.ts';
import {
  concatenate,
  type OutputRelocation,
  type OutputSection,
  type OutputSymbol,
  writeObject,
} from '../elf/writer.ts';
import { fileDigest, type Sha256 } from './digest.ts';
import {
  DIGEST_SIZE,
  FILE_ALIGNMENT,
  HEADER_BUILD_ID_SIZE,
  HEADER_ID_LENGTH,
  HEADER_SIZE,
  MAGIC,
  MAX_ALIGNMENT,
  PatchHeader,
  PatchRecord,
  RECORD_TERMINATOR_SIZE,
  SECTION,
} from './layout.ts';
import type { Manifest } from './manifest.ts';
import type { BaseSection, PatchContents, PatchSymbol, SectionKind, SymbolType } from './patch.ts';
import { recordName } from './records.ts';
import { manifestText } from './schema.ts';

/**
 * The bytes of a `.kpatch` file. Equal contents give equal bytes.
 * @throws SutureError BAD_PATCH when the contents break a rule that a reader would refuse the file for.
 */
export function writePatch(contents: PatchContents, sha256: Sha256): Uint8Array {
  const { manifest, arch } = contents;
  const output = new Output(contents);
  const digestIndex = output.sections.length;
  output.sections.push(unplaced(SECTION.digest, new Uint8Array(DIGEST_SIZE), 1));
  const object = writeObject({
    machine: arch.elfMachine,
    sections: output.sections,
    symbols: output.symbols,
  });

  const file = new Uint8Array(alignUp(HEADER_SIZE + object.bytes.length, FILE_ALIGNMENT));
  file.set(headerBytes(manifest, file.length));
  file.set(object.bytes, HEADER_SIZE);
  const digestAt = HEADER_SIZE + object.fileOffsets[digestIndex]!;
  file.set(fileDigest(file, digestAt, sha256), digestAt);
  return file;
}

function headerBytes(manifest: Manifest, totalSize: number): Uint8Array {
  return PatchHeader.make({
    magic: MAGIC,
    id: manifest.id.slice(0, HEADER_ID_LENGTH),
    buildId: manifest.target.buildId.slice(0, HEADER_BUILD_ID_SIZE * 2),
    builtAt: BigInt(manifest.builtAt ?? 0),
    elfOffset: HEADER_SIZE,
    relocationsOffset: HEADER_SIZE,
    totalSize,
  });
}

const SECTION_FLAGS: Record<SectionKind, number> = {
  text: SHF_ALLOC | SHF_EXECINSTR,
  rodata: SHF_ALLOC,
  data: SHF_ALLOC | SHF_WRITE,
  bss: SHF_ALLOC | SHF_WRITE,
};

const SYMBOL_TYPE: Record<SymbolType, number> = {
  function: STT_FUNC,
  object: STT_OBJECT,
  tls: STT_TLS,
  unknown: STT_NOTYPE,
};

const unplaced = (name: string, bytes: Uint8Array, align: number): OutputSection => ({
  name,
  type: SHT_PROGBITS,
  flags: 0,
  bytes,
  align,
});

/** Collects sections and symbols of the ELF part; the order of both is fixed here. */
class Output {
  readonly sections: OutputSection[] = [];
  readonly symbols: OutputSymbol[] = [];
  readonly #contents: PatchContents;
  /** Index in `sections` by index in the contents' sections. */
  readonly #sectionIndex = new Map<number, number>();
  readonly #baseIndex = new Map<BaseSection, number>();
  readonly #baseSections: readonly BaseSection[];

  constructor(contents: PatchContents) {
    this.#contents = contents;
    this.#baseSections = [...contents.baseSections].sort((a, b) => Number(a.address - b.address));

    // What is only read comes first: LibcarePlus makes everything from .kpatch.data on writable, by file offset.
    const isWritable = (kind: SectionKind): boolean => kind === 'data' || kind === 'bss';
    const { sections } = contents;
    const placeable = [...sections.keys()].sort(
      (a, b) => Number(isWritable(sections[a]!.kind)) - Number(isWritable(sections[b]!.kind)) || a - b,
    );
    const readOnly = placeable.filter((index) => !isWritable(sections[index]!.kind));
    const writable = placeable.filter((index) => isWritable(sections[index]!.kind));
    const names = namesOf(contents.manifest);
    const namesIndex = readOnly.length;
    const recordsIndex = namesIndex + 1;
    [...readOnly].forEach((index, i) => {
      this.#sectionIndex.set(index, i);
    });
    writable.forEach((index, i) => {
      this.#sectionIndex.set(index, recordsIndex + 1 + i);
    });

    // Sections of the base follow all others; their indices are given out while symbols are made.
    const firstBase = readOnly.length + 2 + writable.length;
    const base: OutputSection[] = [];
    const baseIndexOf = (section: BaseSection): number => {
      const known = this.#baseIndex.get(section);
      if (known !== undefined) return known;
      const index = firstBase + base.length;
      this.#baseIndex.set(section, index);
      base.push({
        name: section.name,
        type: SHT_NOBITS,
        flags: section.flags & (SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR | SHF_TLS),
        address: section.address,
        bytes: new Uint8Array(0),
        size: section.size,
        align: section.align,
      });
      return index;
    };

    const symbolIndex = contents.symbols.map((symbol) => this.#addSymbol(symbol, baseIndexOf));
    const records = this.#records(names, namesIndex, baseIndexOf);

    readOnly.forEach((index) => {
      this.sections.push(this.#placed(index, symbolIndex));
    });
    this.sections.push({
      name: SECTION.names,
      type: SHT_PROGBITS,
      flags: SHF_ALLOC,
      bytes: names.bytes,
      align: 1,
    });
    this.sections.push(records);
    writable.forEach((index, i) => {
      const section = this.#placed(index, symbolIndex);
      this.sections.push(i === 0 ? { ...section, fileAlign: MAX_ALIGNMENT } : section);
    });
    this.sections.push(...base);
    this.sections.push(unplaced(SECTION.manifest, encodeName(manifestText(contents.manifest)), 1));
  }

  #placed(index: number, symbolIndex: readonly number[]): OutputSection {
    const section = this.#contents.sections[index]!;
    return {
      name: section.name,
      type: section.kind === 'bss' ? SHT_NOBITS : SHT_PROGBITS,
      flags: SECTION_FLAGS[section.kind],
      bytes: section.kind === 'bss' ? new Uint8Array(0) : section.bytes,
      size: section.size,
      align: section.align,
      relocations: section.relocations.map((relocation) => ({
        ...relocation,
        symbol: symbolIndex[relocation.symbol]!,
      })),
    };
  }

  /** Returns the index in `symbols`, or -1 for the null symbol. */
  #addSymbol(symbol: PatchSymbol, baseIndexOf: (section: BaseSection) => number): number {
    const local = { name: symbol.name, bind: STB_LOCAL, size: 0 };
    switch (symbol.kind) {
      case 'none':
        return -1;
      case 'section':
        return this.#push({
          ...local,
          type: SYMBOL_TYPE[symbol.symbolType],
          section: this.#sectionIndex.get(symbol.section)!,
          value: BigInt(symbol.offset),
          size: symbol.size,
        });
      case 'base': {
        const section = this.#baseSectionAt(symbol.address, symbol.name);
        return this.#push({
          ...local,
          type: SYMBOL_TYPE[symbol.symbolType],
          section: baseIndexOf(section),
          value: symbol.address - section.address,
        });
      }
      case 'import': {
        const imported = this.#contents.manifest.imports[symbol.importIndex]!;
        return this.#push({
          ...local,
          bind: imported.weak ? STB_WEAK : STB_GLOBAL,
          type: SYMBOL_TYPE[imported.type],
          section: undefined,
          value: 0n,
        });
      }
      case 'tls-base': {
        const section = this.#baseSections.find(({ flags }) => (flags & SHF_TLS) !== 0);
        if (section === undefined) {
          throw new SutureError(
            'BAD_PATCH',
            `${symbol.name} is thread-local, but the base has no such section`,
          );
        }
        return this.#push({ ...local, type: STT_TLS, section: baseIndexOf(section), value: symbol.offset });
      }
      default:
        return symbol satisfies never;
    }
  }

  #push(symbol: OutputSymbol): number {
    this.symbols.push(symbol);
    return this.symbols.length - 1;
  }

  /** The section that holds the address, or ends at it (`_end`, `__stop_…`). */
  #baseSectionAt(address: bigint, name: string): BaseSection {
    const sections = this.#baseSections.filter(({ flags }) => (flags & SHF_TLS) === 0);
    const found =
      sections.find((s) => address >= s.address && address < s.address + BigInt(s.size)) ??
      sections.find((s) => address === s.address + BigInt(s.size));
    if (found !== undefined) return found;
    throw new SutureError('BAD_PATCH', `${name} at ${hex(address)} lies in no section of the base`);
  }

  /** `.kpatch.info`: the addresses in it are relocations, as everything that depends on the place. */
  #records(
    names: FunctionNames,
    namesIndex: number,
    baseIndexOf: (section: BaseSection) => number,
  ): OutputSection {
    const { manifest, arch, sections } = this.#contents;
    const text = this.#sectionIndex.get(sections.findIndex(({ name }) => name === SECTION.text));
    const bytes = new Uint8Array(manifest.functions.length * PatchRecord.size + RECORD_TERMINATOR_SIZE);
    const relocations: OutputRelocation[] = [];
    const section = { bind: STB_LOCAL, type: STT_SECTION, name: '', value: 0n, size: 0 };
    const textSymbol = text === undefined ? -1 : this.#push({ ...section, section: text });
    const namesSymbol = this.#push({ ...section, section: namesIndex });
    const refer = (offset: number, symbol: number, addend: bigint): void => {
      relocations.push({ offset, type: arch.link.absolute64, symbol, addend });
    };
    manifest.functions.forEach((fn, i) => {
      const at = i * PatchRecord.size;
      const record = PatchRecord.edit(viewOf(bytes), at);
      // Where the redirect goes: LibcarePlus would write its own over the landing pad.
      const skipped = fn.original?.redirectOffset ?? 0;
      record.originalSize = (fn.original?.size ?? 0) - skipped;
      record.replacementSize = fn.replacement.size;
      if (fn.original !== undefined) {
        const address = BigInt(fn.original.address) + BigInt(skipped);
        const base = this.#baseSectionAt(address, fn.name);
        const symbol = this.#push({
          name: fn.name,
          bind: STB_LOCAL,
          type: STT_FUNC,
          section: baseIndexOf(base),
          value: address - base.address,
          size: fn.original.size - skipped,
        });
        refer(at + PatchRecord.offsets.original, symbol, 0n);
        for (const part of fn.original.parts) baseIndexOf(this.#baseSectionAt(BigInt(part.address), fn.name));
      }
      refer(at + PatchRecord.offsets.replacement, textSymbol, BigInt(fn.replacement.offset));
      refer(at + PatchRecord.offsets.name, namesSymbol, BigInt(names.offsets[i]!));
    });
    return { name: SECTION.records, type: SHT_PROGBITS, flags: SHF_ALLOC, bytes, align: 8, relocations };
  }
}

interface FunctionNames {
  readonly bytes: Uint8Array;
  readonly offsets: readonly number[];
}

/** `.kpatch.strtab`: one name for each record, with the suffix that LibcarePlus gives to new bodies. */
function namesOf(manifest: Manifest): FunctionNames {
  const parts: Uint8Array[] = [];
  const offsets: number[] = [];
  let size = 0;
  for (const fn of manifest.functions) {
    const name = encodeName(`${recordName(fn)}\0`);
    offsets.push(size);
    parts.push(name);
    size += name.length;
  }
  return { bytes: concatenate(parts), offsets };
}
