/**
 * An ELF file from its bytes. Nothing is decoded before it is asked for, and no byte is trusted: whatever does not fit
 * the file ends in one BAD_FORMAT error that names the file and the part.
 */
import { archOfMachine } from '../arch/index.ts';
import { SutureError } from '../base/errors.ts';
import { hex, type Vaddr, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import * as C from './constants.ts';
import { Dynamic } from './dynamic.ts';
import { DynamicObject } from './dynamic-object.ts';
import { readHeader } from './header.ts';
import { Phdr, Shdr, Sym } from './layout.ts';
import { NameIndex } from './name-index.ts';
import { buildIdIn, type Note, notes } from './notes.ts';
import { type Relocation, readRela } from './relocation-entries.ts';
import { loadRange, readSegments, type Segment, segmentOf } from './segments.ts';
import { StringTable } from './strings.ts';
import { SymbolTable } from './symbols.ts';

/** A section header. gABI ch. 4, "Sections". Offsets and sizes in bytes. */
export interface Section {
  readonly index: number;
  readonly name: string;
  /** SHT_* */
  readonly type: number;
  /** SHF_* */
  readonly flags: number;
  readonly address: Vaddr;
  readonly fileOffset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entrySize: number;
}

export class ElfImage extends DynamicObject {
  /** ET_* */
  readonly type: number;
  /** e_machine */
  readonly machine: number;
  readonly entry: Vaddr;
  readonly #view: DataView;
  readonly #header: ReturnType<typeof readHeader>;
  #sections: readonly Section[] | undefined;
  #sectionNames: NameIndex | undefined;
  #segments: readonly Segment[] | undefined;
  #symbols: SymbolTable | undefined;
  #dynamic: Dynamic | undefined;

  private constructor(
    readonly bytes: Uint8Array,
    readonly name: string,
  ) {
    super();
    this.#view = viewOf(bytes);
    this.#header = readHeader(bytes, name);
    this.type = this.#header.type;
    this.machine = this.#header.machine;
    this.entry = vaddr(this.#header.entry);
  }

  /** Bytes of a whole file; `name` is for messages. NOT_ELF, UNSUPPORTED (32-bit, big-endian) or BAD_FORMAT. */
  static parse(bytes: Uint8Array, name = 'ELF file'): ElfImage {
    return new ElfImage(bytes, name);
  }

  get sections(): readonly Section[] {
    this.#sections ??= this.#readSections();
    return this.#sections;
  }

  get segments(): readonly Segment[] {
    this.#segments ??= this.#readSegments();
    return this.#segments;
  }

  /** The first section of this name. */
  section(name: string): Section | undefined {
    this.#sectionNames ??= this.#indexSections();
    const index = this.#sectionNames.find(name)[0];
    return index === undefined ? undefined : this.sections[index];
  }

  /** The section's bytes in the file; empty for SHT_NOBITS. Compressed sections come as they are. */
  contents(section: Section): Uint8Array {
    if (section.type === C.SHT_NOBITS || section.type === C.SHT_NULL) return this.bytes.subarray(0, 0);
    const { fileOffset, size } = section;
    if (!(fileOffset + size <= this.bytes.length)) {
      throw new SutureError(
        'BAD_FORMAT',
        `${this.name}: section ${section.index} (${size} bytes at offset ${fileOffset}) lies outside of the file`,
      );
    }
    return this.bytes.subarray(fileOffset, fileOffset + size);
  }

  /** .symtab; empty when the file is stripped. */
  get symbols(): SymbolTable {
    this.#symbols ??= this.#readSymbols();
    return this.#symbols;
  }

  /** .dynsym with versions; empty in static executables, objects and separate debug files. */
  get dynamicSymbols(): SymbolTable {
    return this.dynamicSection.symbols;
  }

  /**
   * The entries of a relocation section, or those that apply to any other section (every SHT_RELA whose sh_info names
   * it). UNSUPPORTED for SHT_REL: neither psABI of the 64-bit CPUs here uses it.
   */
  relocations(section: Section): Relocation[] {
    const tables =
      section.type === C.SHT_RELA || section.type === C.SHT_REL
        ? [section]
        : this.sections.filter(
            (other) =>
              (other.type === C.SHT_RELA || other.type === C.SHT_REL) && other.info === section.index,
          );
    return tables.flatMap((table) => {
      if (table.type === C.SHT_REL) {
        throw new SutureError('UNSUPPORTED', `${this.name}: ${table.name} has relocations without addends`);
      }
      return readRela(this.contents(table), `${this.name}: ${table.name}`);
    });
  }

  /** All notes: of SHT_NOTE sections, which separate debug files keep, or else of PT_NOTE segments. */
  *notes(): Generator<Note> {
    let found = false;
    for (const section of this.sections) {
      if (section.type !== C.SHT_NOTE) continue;
      found = true;
      yield* notes(this.contents(section), section.align);
    }
    if (found) return;
    for (const { type, fileOffset, fileSize, align } of this.segments) {
      if (type !== C.PT_NOTE || fileOffset + fileSize > this.bytes.length) continue;
      yield* notes(this.bytes.subarray(fileOffset, fileOffset + fileSize), align);
    }
  }

  /** GNU build id in lower-case hex. */
  buildId(): string | undefined {
    return buildIdIn(this.notes());
  }

  /** `size` bytes at a link-time address as the loader would map them, .bss as zeros. BAD_FORMAT outside of PT_LOAD. */
  readVaddr(at: Vaddr, size: number): Uint8Array {
    const segment = size >= 0 ? segmentOf(this.segments, at, size) : undefined;
    if (segment === undefined) {
      throw new SutureError(
        'BAD_FORMAT',
        `${this.name}: ${size} bytes at ${hex(at)} are in no loaded segment`,
      );
    }
    const offset = Number(at - segment.vaddr);
    const fileEnd = Math.min(segment.fileOffset + segment.fileSize, this.bytes.length);
    const from = segment.fileOffset + offset;
    if (offset + size <= segment.fileSize) {
      if (from + size > fileEnd) {
        throw new SutureError(
          'BAD_FORMAT',
          `${this.name}: ${size} bytes at ${hex(at)} lie past the file's end`,
        );
      }
      return this.bytes.subarray(from, from + size);
    }
    if (size > LARGEST_ZEROS) {
      throw new SutureError('BAD_FORMAT', `${this.name}: ${size} bytes at ${hex(at)} are more than are read`);
    }
    const out = new Uint8Array(size);
    if (from < fileEnd && offset < segment.fileSize) out.set(this.bytes.subarray(from, fileEnd));
    return out;
  }

  protected override get dynamicSection(): Dynamic {
    this.#dynamic ??= this.#readDynamic();
    return this.#dynamic;
  }

  #readSections(): readonly Section[] {
    const { shoff, shnum, shentsize } = this.#header;
    if (shoff === 0n) return [];
    if (shentsize !== Shdr.size) {
      throw new SutureError('BAD_FORMAT', `${this.name}: section headers of ${shentsize} bytes`);
    }
    const start = Number(shoff);
    const first = Shdr.on(this.#view, start);
    const count = shnum === 0 ? Number(first.size) : shnum;
    if (!(start + count * Shdr.size <= this.bytes.length)) {
      throw new SutureError('BAD_FORMAT', `${this.name}: ${count} section headers lie past the file's end`);
    }
    const strings = this.#sectionStrings(start, count, first.link);
    const sections: Section[] = [];
    for (let index = 0; index < count; index++) {
      sections.push(new SectionEntry(this.#view, start + index * Shdr.size, index, strings));
    }
    return sections;
  }

  #sectionStrings(start: number, count: number, firstLink: number): StringTable {
    const { shstrndx } = this.#header;
    const index = shstrndx === C.SHN_XINDEX ? firstLink : shstrndx;
    const what = `${this.name}: section names`;
    if (index === C.SHN_UNDEF) return new StringTable(this.bytes.subarray(0, 0), what);
    if (index >= count) throw new SutureError('BAD_FORMAT', `${what}: no section ${index} among ${count}`);
    const none = new StringTable(this.bytes.subarray(0, 0), what);
    return new StringTable(
      this.contents(new SectionEntry(this.#view, start + index * Shdr.size, index, none)),
      what,
    );
  }

  #indexSections(): NameIndex {
    const entries = this.sections as readonly SectionEntry[];
    const strings = entries[0]?.strings ?? new StringTable(this.bytes.subarray(0, 0), this.name);
    return new NameIndex(strings, entries.length, (index) => entries[index]!.nameOffset);
  }

  #readSegments(): readonly Segment[] {
    const { phoff, phnum, phentsize } = this.#header;
    if (phoff === 0n || phnum === 0) return [];
    if (phentsize !== Phdr.size) {
      throw new SutureError('BAD_FORMAT', `${this.name}: program headers of ${phentsize} bytes`);
    }
    const count = phnum === C.PN_XNUM ? (this.sections[0]?.info ?? 0) : phnum;
    const start = Number(phoff);
    if (!(start + count * Phdr.size <= this.bytes.length)) {
      throw new SutureError('BAD_FORMAT', `${this.name}: ${count} program headers lie past the file's end`);
    }
    return readSegments(this.#view, start, count, this.name);
  }

  #readSymbols(): SymbolTable {
    const table = this.sections.find((section) => section.type === C.SHT_SYMTAB);
    if (table === undefined) return SymbolTable.empty(`${this.name}: .symtab`);
    const strings = this.sections[table.link];
    if (strings?.type !== C.SHT_STRTAB) {
      throw new SutureError(
        'BAD_FORMAT',
        `${this.name}: .symtab has no string table (sh_link ${table.link})`,
      );
    }
    const extended = this.sections.find(
      (section) => section.type === C.SHT_SYMTAB_SHNDX && section.link === table.index,
    );
    return new SymbolTable({
      entries: this.contents(table),
      strings: this.contents(strings),
      extendedIndices: extended && this.contents(extended),
      what: `${this.name}: .symtab`,
    });
  }

  #readDynamic(): Dynamic {
    const segment = this.segments.find(({ type }) => type === C.PT_DYNAMIC);
    // In a separate debug file the program headers describe the original: its sections are SHT_NOBITS.
    const section = this.sections.find(({ type }) => type === C.SHT_DYNSYM);
    const emptied = this.sections.some((s) => s.type === C.SHT_NOBITS && s.name === '.dynamic');
    const entries =
      segment === undefined || emptied
        ? this.bytes.subarray(0, 0)
        : this.readVaddr(segment.vaddr, segment.fileSize);
    return new Dynamic({
      what: this.name,
      entries,
      read: (at, size) => this.readVaddr(at, size),
      readToEnd: (at) => {
        const load = segmentOf(this.segments, at);
        return this.readVaddr(
          at,
          load === undefined ? 1 : Math.max(1, load.fileSize - Number(at - load.vaddr)),
        );
      },
      address: vaddr,
      relativeAddend: (at) => viewOf(this.readVaddr(at, 8)).getBigInt64(0, true),
      relativeType: () => relativeTypeOf(this.machine, this.name),
      symbolCount: section && Math.floor(section.size / Sym.size),
    });
  }

  /** The link-time range that the PT_LOAD segments span. */
  loadRange(): { start: Vaddr; end: Vaddr } | undefined {
    return loadRange(this.segments);
  }
}

/** More .bss than this is never read by anyone. */
const LARGEST_ZEROS = 1 << 28;

/** The number of a CPU's relative relocation type. */
export function relativeTypeOf(machine: number, what: string): number {
  const arch = archOfMachine(machine);
  if (arch === undefined) {
    throw new SutureError('UNSUPPORTED', `${what}: unknown CPU (e_machine ${machine})`);
  }
  return arch.link.relative;
}

class SectionEntry implements Section {
  readonly #header: ReturnType<typeof Shdr.on>;
  constructor(
    view: DataView,
    at: number,
    readonly index: number,
    readonly strings: StringTable,
  ) {
    this.#header = Shdr.on(view, at);
  }
  get nameOffset(): number {
    return this.#header.name;
  }
  get name(): string {
    return this.strings.text(this.nameOffset);
  }
  get type(): number {
    return this.#header.type;
  }
  get flags(): number {
    return Number(this.#header.flags);
  }
  get address(): Vaddr {
    return vaddr(this.#header.addr);
  }
  get fileOffset(): number {
    return Number(this.#header.offset);
  }
  get size(): number {
    return Number(this.#header.size);
  }
  get link(): number {
    return this.#header.link;
  }
  get info(): number {
    return this.#header.info;
  }
  get align(): number {
    return Number(this.#header.addralign);
  }
  get entrySize(): number {
    return Number(this.#header.entsize);
  }
}
