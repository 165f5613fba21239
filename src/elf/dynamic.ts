import { SutureError } from '../base/errors.ts';
import { hex, plus, type Vaddr, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import * as DT from './constants.ts';
import { Dyn, Sym } from './layout.ts';
import { RelativeWords } from './relative-words.ts';
import { readRela, readRelr } from './relocation-entries.ts';
import { StringTable } from './strings.ts';
import { type ElfSymbol, SymbolTable } from './symbols.ts';
import { VersionTable } from './versions.ts';

/** A relocation that the dynamic linker applies. */
export interface DynamicRelocation {
  /** The word that it changes. */
  readonly at: Vaddr;
  readonly type: number;
  readonly symbol: ElfSymbol | undefined;
  readonly addend: bigint;
  /** True for an entry of DT_JMPREL. */
  readonly plt: boolean;
}

/** Where the dynamic section's bytes come from: a file, or the memory of a process. */
export interface DynamicSource {
  /** For error messages. */
  readonly what: string;
  /** PT_DYNAMIC's bytes; empty if there is none. */
  readonly entries: Uint8Array;
  /** `size` bytes at a link-time address; BAD_FORMAT if they are not in a loaded segment. */
  read(at: Vaddr, size: number): Uint8Array;
  /** Bytes from `at` to the end of its segment. */
  readToEnd(at: Vaddr): Uint8Array;
  /** Turns the value of an address tag into a link-time address. */
  address(value: bigint): Vaddr;
  /** What a word that a relative relocation without stored addend changes stands for: the addend. */
  relativeAddend(at: Vaddr): bigint;
  /** The CPU's relative type. */
  relativeType(): number;
  /** Count of dynamic symbols where a section header tells. */
  readonly symbolCount: number | undefined;
}

/** What PT_DYNAMIC tells about an object, in a file and in memory alike. gABI ch. 5, "Dynamic Section". */
export class Dynamic {
  readonly tags = new Map<number, bigint[]>();
  readonly #source: DynamicSource;
  #strings: StringTable | undefined;
  #symbols: SymbolTable | undefined;

  constructor(source: DynamicSource) {
    this.#source = source;
    const view = viewOf(source.entries);
    for (let at = 0; at + Dyn.size <= source.entries.length; at += Dyn.size) {
      const { tag, value } = Dyn.on(view, at);
      if (tag === BigInt(DT.DT_NULL)) break;
      const key = Number(tag);
      const values = this.tags.get(key);
      if (values === undefined) this.tags.set(key, [value]);
      else values.push(value);
    }
  }

  value(tag: number): bigint | undefined {
    return this.tags.get(tag)?.[0];
  }

  get strings(): StringTable {
    this.#strings ??= this.#readStrings();
    return this.#strings;
  }

  get symbols(): SymbolTable {
    this.#symbols ??= this.#readSymbols();
    return this.#symbols;
  }

  needed(): string[] {
    return (this.tags.get(DT.DT_NEEDED) ?? []).map((offset) => this.strings.text(Number(offset)));
  }

  soname(): string | undefined {
    const offset = this.value(DT.DT_SONAME);
    return offset === undefined ? undefined : this.strings.text(Number(offset));
  }

  /** DT_RELA, DT_JMPREL and DT_RELR in this order: all, or those of the given types. */
  relocations(types?: ReadonlySet<number>): DynamicRelocation[] {
    const found: DynamicRelocation[] = [];
    for (const { bytes, plt, what } of this.#relaTables()) {
      for (const entry of readRela(bytes, what, types)) {
        found.push({
          at: vaddr(BigInt(entry.offset)),
          type: entry.type,
          symbol: entry.symbolIndex === 0 ? undefined : this.symbols.at(entry.symbolIndex),
          addend: entry.addend,
          plt,
        });
      }
    }
    const relr = this.#table(DT.DT_RELR, DT.DT_RELRSZ);
    const type = relr === undefined ? undefined : this.#source.relativeType();
    if (relr !== undefined && type !== undefined && (types?.has(type) ?? true)) {
      for (const at of readRelr(relr)) {
        found.push({ at, type, symbol: undefined, addend: this.#source.relativeAddend(at), plt: false });
      }
    }
    return found;
  }

  /** The addend of the relative relocation of a word, by the word's link-time address. */
  relativeWords(): (at: Vaddr) => bigint | undefined {
    const type = this.#source.relativeType();
    const tables = this.#relaTables().map(({ bytes }) => RelativeWords.of(bytes, type));
    const relr = this.#table(DT.DT_RELR, DT.DT_RELRSZ);
    const packed = new Set<bigint>(relr === undefined ? [] : readRelr(relr));
    return (at) => {
      if (packed.has(at)) return this.#source.relativeAddend(at);
      for (const words of tables) {
        const addend = words.addendAt(at);
        if (addend !== undefined) return addend;
      }
      return undefined;
    };
  }

  #relaTables(): { bytes: Uint8Array; plt: boolean; what: string }[] {
    const { what } = this.#source;
    if (this.value(DT.DT_REL) !== undefined || this.value(DT.DT_PLTREL) === BigInt(DT.DT_REL)) {
      throw new SutureError(
        'UNSUPPORTED',
        `${what}: dynamic relocations without addends (DT_REL) are not in the ABI of a 64-bit CPU`,
      );
    }
    const tables: { bytes: Uint8Array; plt: boolean; what: string }[] = [];
    const rela = this.#table(DT.DT_RELA, DT.DT_RELASZ);
    if (rela) tables.push({ bytes: rela, plt: false, what: `${what}: DT_RELA` });
    const plt = this.#table(DT.DT_JMPREL, DT.DT_PLTRELSZ);
    if (plt) tables.push({ bytes: plt, plt: true, what: `${what}: DT_JMPREL` });
    return tables;
  }

  #table(addressTag: number, sizeTag: number): Uint8Array | undefined {
    const address = this.value(addressTag);
    if (address === undefined) return undefined;
    const size = this.value(sizeTag) ?? 0n;
    return size === 0n ? undefined : this.#source.read(this.#source.address(address), this.#size(size));
  }

  #size(value: bigint): number {
    if (value > 0x7fff_ffffn) {
      throw new SutureError('BAD_FORMAT', `${this.#source.what}: dynamic section claims ${hex(value)} bytes`);
    }
    return Number(value);
  }

  #readStrings(): StringTable {
    const bytes = this.#table(DT.DT_STRTAB, DT.DT_STRSZ) ?? new Uint8Array(0);
    return new StringTable(bytes, `${this.#source.what}: .dynstr`);
  }

  #readSymbols(): SymbolTable {
    const { what } = this.#source;
    const address = this.value(DT.DT_SYMTAB);
    if (address === undefined) return SymbolTable.empty(`${what}: .dynsym`);
    const count = this.#source.symbolCount ?? this.#countSymbols();
    return new SymbolTable({
      entries: this.#source.read(this.#source.address(address), this.#size(BigInt(count) * BigInt(Sym.size))),
      strings: this.strings.bytes,
      versions: this.#readVersions(count),
      what: `${what}: .dynsym`,
    });
  }

  #readVersions(count: number): VersionTable | undefined {
    const versym = this.value(DT.DT_VERSYM);
    if (versym === undefined) return undefined;
    const chain = (addressTag: number, countTag: number) => {
      const address = this.value(addressTag);
      if (address === undefined) return undefined;
      return {
        bytes: this.#source.readToEnd(this.#source.address(address)),
        count: this.#size(this.value(countTag) ?? 0n),
      };
    };
    return new VersionTable({
      versym: this.#source.read(this.#source.address(versym), count * 2),
      verdef: chain(DT.DT_VERDEF, DT.DT_VERDEFNUM),
      verneed: chain(DT.DT_VERNEED, DT.DT_VERNEEDNUM),
      strings: this.strings,
    });
  }

  /**
   * No tag gives the count of dynamic symbols. DT_HASH has it; DT_GNU_HASH gives the last defined one that is hashed;
   * undefined ones matter only where a relocation names them.
   */
  #countSymbols(): number {
    const hash = this.value(DT.DT_HASH);
    if (hash !== undefined) {
      return viewOf(this.#source.read(this.#source.address(hash), 8)).getUint32(4, true);
    }
    let count = 1;
    const gnu = this.value(DT.DT_GNU_HASH);
    if (gnu !== undefined) count = Math.max(count, this.#countGnuHash(this.#source.address(gnu)));
    for (const { bytes, what } of this.#relaTables()) {
      for (const entry of readRela(bytes, what)) count = Math.max(count, entry.symbolIndex + 1);
    }
    return count;
  }

  /** DT_GNU_HASH: four words of header, a Bloom filter, buckets (first symbol of each), then one word per hashed symbol, odd where a chain ends. */
  #countGnuHash(at: Vaddr): number {
    const header = viewOf(this.#source.read(at, 16));
    const buckets = header.getUint32(0, true);
    const firstHashed = header.getUint32(4, true);
    const bloomWords = header.getUint32(8, true);
    const bucketsAt = plus(at, 16 + bloomWords * 8);
    const table = viewOf(this.#source.read(bucketsAt, buckets * 4));
    let last = 0;
    for (let i = 0; i < buckets; i++) last = Math.max(last, table.getUint32(i * 4, true));
    if (last < firstHashed || last === 0) return firstHashed;
    const chains = plus(bucketsAt, buckets * 4 + (last - firstHashed) * 4);
    const rest = viewOf(this.#source.readToEnd(chains));
    for (let i = 0; i * 4 + 4 <= rest.byteLength; i++) {
      if ((rest.getUint32(i * 4, true) & 1) !== 0) return last + i + 1;
    }
    throw new SutureError('BAD_FORMAT', `${this.#source.what}: the last chain of DT_GNU_HASH does not end`);
  }
}
