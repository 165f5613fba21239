import { SutureError } from '../base/errors.ts';
import { type Vaddr, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { AddressIndex } from './address-index.ts';
import { SHN_UNDEF, SHN_XINDEX, STB_LOCAL, STT_FILE, STT_FUNC, STT_GNU_IFUNC } from './constants.ts';
import { Sym } from './layout.ts';
import { NameIndex } from './name-index.ts';
import { StringTable } from './strings.ts';

/** One entry of a symbol table. Values are link-time addresses; in ET_REL files, offsets in the symbol's section. */
export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  readonly value: Vaddr;
  /** In bytes. */
  readonly size: number;
  /** STT_* */
  readonly type: number;
  /** STB_* */
  readonly bind: number;
  /** STV_* */
  readonly visibility: number;
  /** Section index, SHN_XINDEX resolved; SHN_UNDEF, SHN_ABS, SHN_COMMON as they are. */
  readonly shndx: number;
  /** GNU version that a definition has or a reference asks for. */
  readonly version: string | undefined;
  /** A definition that only references asking for its version bind to (`name@version`, not `name@@version`). */
  readonly versionHidden: boolean;
  /** The version is another object's: the symbol is a reference, or a copy of that object's variable (COPY relocation). */
  readonly versionNeeded: boolean;
}

export interface SymbolVersion {
  readonly name: string;
  readonly hidden: boolean;
  readonly needed: boolean;
}

/** What a symbol's version is, by symbol index. */
export interface SymbolVersions {
  of(index: number): SymbolVersion | undefined;
}

/** The local symbols of one source file: what lies between two STT_FILE entries. */
export interface FileSymbols {
  readonly file: string;
  readonly symbols: readonly ElfSymbol[];
}

export interface SymbolTableParts {
  /** Elf64_Sym entries. */
  readonly entries: Uint8Array;
  readonly strings: Uint8Array;
  /** SHT_SYMTAB_SHNDX: the real section index by symbol index. */
  readonly extendedIndices?: Uint8Array | undefined;
  readonly versions?: SymbolVersions | undefined;
  /** For error messages, e.g. "libc.so.6: .dynsym". */
  readonly what: string;
}

const SIZE = Sym.size;
const { offsets } = Sym;

/**
 * A symbol table over its bytes: nothing is decoded until asked for, and the columns are read in place. Indexes by
 * name, address and file are built on first use.
 */
export class SymbolTable implements Iterable<ElfSymbol> {
  readonly length: number;
  readonly #view: DataView;
  readonly #strings: StringTable;
  readonly #extended: DataView | undefined;
  readonly #versions: SymbolVersions | undefined;
  readonly #what: string;
  #names: NameIndex | undefined;
  #functions: AddressIndex | undefined;
  #files: readonly FileSymbols[] | undefined;

  constructor(parts: SymbolTableParts) {
    this.length = Math.floor(parts.entries.length / SIZE);
    this.#view = viewOf(parts.entries);
    this.#strings = new StringTable(parts.strings, parts.what);
    this.#extended = parts.extendedIndices === undefined ? undefined : viewOf(parts.extendedIndices);
    this.#versions = parts.versions;
    this.#what = parts.what;
  }

  static empty(what: string): SymbolTable {
    return new SymbolTable({ entries: new Uint8Array(0), strings: new Uint8Array(0), what });
  }

  /** BAD_FORMAT when there is no such entry. */
  at(index: number): ElfSymbol {
    if (!(index >= 0 && index < this.length)) {
      throw new SutureError('BAD_FORMAT', `${this.#what}: no symbol ${index} among ${this.length}`);
    }
    return new Entry(this, index);
  }

  *[Symbol.iterator](): IterableIterator<ElfSymbol> {
    for (let index = 0; index < this.length; index++) yield new Entry(this, index);
  }

  /** All entries of this name, in the table's order, undefined ones included. */
  named(name: string): ElfSymbol[] {
    this.#names ??= new NameIndex(this.#strings, this.length, (index) => this.nameOffsetOf(index));
    return this.#names.find(name).map((index) => new Entry(this, index));
  }

  /**
   * The function whose body contains `address`. Among aliases a global name is preferred to a weak, a weak to a local.
   * Functions without a size cover one byte.
   */
  symbolAt(address: Vaddr): { readonly symbol: ElfSymbol; readonly offset: number } | undefined {
    this.#functions ??= this.#indexFunctions();
    const rank = (symbol: ElfSymbol): number => (symbol.bind === STB_LOCAL ? 2 : symbol.bind === 2 ? 1 : 0);
    let best: ElfSymbol | undefined;
    for (const index of this.#functions.nearest(address)) {
      const symbol = new Entry(this, index);
      if (best === undefined || rank(symbol) < rank(best)) best = symbol;
    }
    return best && { symbol: best, offset: Number(address - best.value) };
  }

  /** Local symbols grouped by the STT_FILE entry before them; those before the first one belong to the file ''. */
  files(): readonly FileSymbols[] {
    this.#files ??= this.#groupByFile();
    return this.#files;
  }

  // Columns, for loops that should not make an object per symbol.

  nameOf(index: number): string {
    return this.#strings.text(this.nameOffsetOf(index));
  }
  nameOffsetOf(index: number): number {
    return this.#view.getUint32(index * SIZE + offsets.name, true);
  }
  valueOf(index: number): Vaddr {
    return vaddr(this.#view.getBigUint64(index * SIZE + offsets.value, true));
  }
  sizeOf(index: number): number {
    const size = Number(this.#view.getBigUint64(index * SIZE + offsets.size, true));
    if (!Number.isSafeInteger(size)) {
      throw new SutureError('BAD_FORMAT', `${this.#what}: symbol ${index} has the size ${size}`);
    }
    return size;
  }
  typeOf(index: number): number {
    return this.#view.getUint8(index * SIZE + offsets.info) & 0xf;
  }
  bindOf(index: number): number {
    return this.#view.getUint8(index * SIZE + offsets.info) >> 4;
  }
  visibilityOf(index: number): number {
    return this.#view.getUint8(index * SIZE + offsets.other) & 3;
  }
  shndxOf(index: number): number {
    const shndx = this.#view.getUint16(index * SIZE + offsets.shndx, true);
    if (shndx !== SHN_XINDEX) return shndx;
    if (this.#extended === undefined || index * 4 + 4 > this.#extended.byteLength) {
      throw new SutureError('BAD_FORMAT', `${this.#what}: symbol ${index} lacks its extended section index`);
    }
    return this.#extended.getUint32(index * 4, true);
  }
  versionOf(index: number): SymbolVersion | undefined {
    return this.#versions?.of(index);
  }

  #indexFunctions(): AddressIndex {
    const ids = new Uint32Array(this.length);
    const starts = new BigUint64Array(this.length);
    const ends = new BigUint64Array(this.length);
    let count = 0;
    for (let index = 0; index < this.length; index++) {
      const type = this.typeOf(index);
      if (type !== STT_FUNC && type !== STT_GNU_IFUNC) continue;
      if (this.#view.getUint16(index * SIZE + offsets.shndx, true) === SHN_UNDEF) continue;
      const size = this.#view.getBigUint64(index * SIZE + offsets.size, true);
      const start = this.valueOf(index);
      ids[count] = index;
      starts[count] = start;
      ends[count] = start + (size === 0n ? 1n : size);
      count++;
    }
    return new AddressIndex(ids.subarray(0, count), starts.subarray(0, count), ends.subarray(0, count));
  }

  #groupByFile(): readonly FileSymbols[] {
    const groups: { file: string; symbols: ElfSymbol[] }[] = [];
    let current: { file: string; symbols: ElfSymbol[] } | undefined;
    // Entry 0 is the reserved undefined symbol.
    for (let index = 1; index < this.length; index++) {
      if (this.bindOf(index) !== STB_LOCAL) continue;
      if (this.typeOf(index) === STT_FILE) {
        current = { file: this.nameOf(index), symbols: [] };
        groups.push(current);
        continue;
      }
      if (current === undefined) {
        current = { file: '', symbols: [] };
        groups.push(current);
      }
      current.symbols.push(new Entry(this, index));
    }
    return groups;
  }
}

class Entry implements ElfSymbol {
  readonly #table: SymbolTable;
  constructor(
    table: SymbolTable,
    readonly index: number,
  ) {
    this.#table = table;
  }
  get name(): string {
    return this.#table.nameOf(this.index);
  }
  get value(): Vaddr {
    return this.#table.valueOf(this.index);
  }
  get size(): number {
    return this.#table.sizeOf(this.index);
  }
  get type(): number {
    return this.#table.typeOf(this.index);
  }
  get bind(): number {
    return this.#table.bindOf(this.index);
  }
  get visibility(): number {
    return this.#table.visibilityOf(this.index);
  }
  get shndx(): number {
    return this.#table.shndxOf(this.index);
  }
  get version(): string | undefined {
    return this.#table.versionOf(this.index)?.name;
  }
  get versionHidden(): boolean {
    return this.#table.versionOf(this.index)?.hidden ?? false;
  }
  get versionNeeded(): boolean {
    return this.#table.versionOf(this.index)?.needed ?? false;
  }
}
