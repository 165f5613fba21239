/**
 * Where in the base the sections of one unit's object file came to lie.
 *
 * A linker moves an input section as a whole, so that one known address in it tells all of them. What is known:
 * 1. the addresses of the unit's own global symbols;
 * 2. the fields that the linker filled in code and data already placed: each holds, in the base, the address of what
 *    the object's relocation refers to. So static variables and functions are found even where two files have the same
 *    name and the same names in them;
 * 3. for what nothing refers to: the base's local symbols, grouped by source file. A group is taken only if all that
 *    it says fits the object and what is known already, and no other group does.
 */
import type { Arch } from '../arch/arch.ts';
import { type Vaddr, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import {
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_GROUP,
  SHF_MERGE,
  SHF_TLS,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHT_NOBITS,
  STB_GLOBAL,
  STB_LOCAL,
  STT_FILE,
  STT_FUNC,
  STT_GNU_IFUNC,
  STT_NOTYPE,
  STT_SECTION,
  STV_DEFAULT,
} from '../elf/constants.ts';
import type { ElfImage, Section } from '../elf/image.ts';
import type { Relocation } from '../elf/relocation-entries.ts';
import type { ElfSymbol, FileSymbols } from '../elf/symbols.ts';
import type { Base } from './base.ts';
import { firstDifference, type MaskedCode, maskCode } from './code-match.ts';

/** Two facts that cannot both be true when the base was linked from this object. */
export interface Contradiction {
  readonly section: string;
  readonly because: string;
}

export class UnitPlacement {
  readonly contradictions: readonly Contradiction[];
  /** Source files of the base's symbol table that fit equally well; more than one means that none was taken. */
  readonly candidates: readonly FileSymbols[];
  readonly #search: Search;

  private constructor(search: Search, candidates: readonly FileSymbols[]) {
    this.#search = search;
    this.contradictions = search.contradictions;
    this.candidates = candidates;
  }

  /** @throws SutureError BAD_FORMAT when either file is damaged. */
  static find(base: Base, object: ElfImage): UnitPlacement {
    const search = new Search(base, object);
    search.seed();
    search.follow();
    const candidates = search.matchGroups();
    if (candidates.length === 1) {
      search.take(candidates[0]!);
      search.follow();
    }
    return new UnitPlacement(search, candidates);
  }

  /**
   * Whether the base contains the object: at least one of its functions is there with the same code. A variable of the
   * same name and size says little; an object without functions has nothing else to show.
   */
  get isPresent(): boolean {
    const { matches, placed, hasFunctions } = this.#search;
    return hasFunctions ? matches > 0 : placed.size > 0;
  }

  /**
   * Link-time address of a symbol that the object defines; of a thread-local one, the offset in the base's block.
   * Undefined when its section is not in the base or was not found.
   */
  addressOf(symbol: ElfSymbol): Vaddr | undefined {
    const start = this.#search.placed.get(symbol.shndx);
    return start === undefined ? undefined : vaddr(start + symbol.value);
  }

  /** The object's named local definition. */
  local(name: string): ElfSymbol | undefined {
    return this.#search.object.symbols.named(name).find((s) => s.bind === STB_LOCAL && isDefinition(s));
  }

  /** The object's definition of a name, local or not. */
  definition(name: string): ElfSymbol | undefined {
    return this.#search.object.symbols.named(name).find(isDefinition);
  }

  /** True when calls and references of the unit to this global go straight to the base's own definition. */
  bindsDirectly(name: string): boolean {
    return this.#search.direct.has(name);
  }

  /** The stub through which the unit calls a function whose address a resolver chooses, if it calls it. */
  stubOf(name: string): Vaddr | undefined {
    return this.#search.stubs.get(name);
  }

  /**
   * Bytes from the start of `symbol` to the first one in which the base differs from the object, when the base has the
   * function at `address`; undefined when it is the same code.
   */
  codeDifference(symbol: ElfSymbol, address: Vaddr): number | undefined {
    return this.#search.differenceAt(symbol, address);
  }
}

const isDefinition = ({ shndx, type, name }: ElfSymbol): boolean =>
  shndx !== SHN_UNDEF &&
  shndx < SHN_LORESERVE &&
  type !== STT_FILE &&
  type !== STT_SECTION &&
  !(type === STT_NOTYPE && name.startsWith(MAPPING));

/** Mapping symbols tell code from data and name nothing; a linker keeps or drops them as it likes (AAELF64, 5.5.5). */
const MAPPING = '$';

const isFunction = ({ type }: ElfSymbol): boolean => type === STT_FUNC || type === STT_GNU_IFUNC;

class Search {
  /** Link-time address of the first byte, by section of the object; thread-local sections: offset in the block. */
  readonly placed = new Map<number, bigint>();
  readonly contradictions: Contradiction[] = [];
  /** Functions found with the same code. */
  matches = 0;
  readonly direct = new Set<string>();
  readonly stubs = new Map<string, Vaddr>();
  readonly #base: Base;
  readonly #arch: Arch;
  readonly #followed = new Set<number>();
  readonly #codes = new Map<number, MaskedCode>();
  readonly #linked = new Map<number, ElfSymbol | undefined>();
  readonly #symbols: readonly ElfSymbol[];

  constructor(
    base: Base,
    readonly object: ElfImage,
  ) {
    this.#base = base;
    this.#arch = base.arch;
    this.#symbols = [...object.symbols];
  }

  get hasFunctions(): boolean {
    return this.#symbols.some((symbol) => isDefinition(symbol) && isFunction(symbol) && symbol.size > 0);
  }

  /** Sections that a linker keeps whole and in this unit: not merged strings, nor one copy out of many. */
  #isWhole(section: Section | undefined): section is Section {
    return section !== undefined && (section.flags & SHF_ALLOC) !== 0 && (section.flags & SHF_MERGE) === 0;
  }

  #place(index: number, address: bigint, because: string): void {
    const section = this.object.sections[index];
    if (!this.#isWhole(section)) return;
    const known = this.placed.get(index);
    if (known === undefined) this.placed.set(index, address);
    else if (known !== address) this.contradictions.push({ section: section.name, because });
  }

  seed(): void {
    for (const symbol of this.#symbols) {
      if (symbol.bind !== STB_GLOBAL || !isDefinition(symbol)) continue;
      const section = this.object.sections[symbol.shndx];
      if (!this.#isWhole(section) || (section.flags & SHF_GROUP) !== 0) continue;
      const definitions = this.#base.definitions(symbol.name);
      // A name in a library that ends up hidden is local in the base; only a single one says anything.
      const found = definitions.length > 0 ? definitions : this.#base.localDefinitions(symbol.name);
      const linked = found[0];
      if (
        found.length !== 1 ||
        linked === undefined ||
        linked.size !== symbol.size ||
        linked.type !== symbol.type
      )
        continue;
      this.#place(symbol.shndx, linked.value - symbol.value, `the address of ${symbol.name}`);
    }
  }

  /** Reads the linker's answers out of everything placed, until nothing new is found. */
  follow(): void {
    for (let again = true; again; ) {
      again = false;
      for (const index of [...this.placed.keys()]) {
        if (this.#followed.has(index)) continue;
        this.#followed.add(index);
        this.#followSection(this.object.sections[index]!, this.placed.get(index)!);
        again = true;
      }
    }
  }

  #followSection(section: Section, address: bigint): void {
    if (section.type === SHT_NOBITS || (section.flags & SHF_TLS) !== 0) return;
    const isCode = (section.flags & SHF_EXECINSTR) !== 0;
    const code = this.#code(section);
    const trusted = isCode ? this.#trustedCode(section, address, code) : undefined;
    for (const relocation of code.relocations) {
      if (trusted !== undefined && trusted[relocation.offset] !== 1) continue;
      this.#followRelocation(relocation, vaddr(address + BigInt(relocation.offset)), section);
    }
  }

  /** 1 for every byte of a function whose code in the base is the object's. */
  #trustedCode(section: Section, address: bigint, code: MaskedCode): Uint8Array {
    const trusted = new Uint8Array(code.bytes.length);
    for (const symbol of this.#symbols) {
      if (symbol.shndx !== section.index || !isFunction(symbol) || symbol.size === 0) continue;
      if (this.differenceAt(symbol, vaddr(address + symbol.value)) !== undefined) continue;
      this.matches++;
      const start = Number(symbol.value);
      trusted.fill(1, start, start + symbol.size);
    }
    return trusted;
  }

  #followRelocation({ type, symbolIndex, addend }: Relocation, place: Vaddr, section: Section): void {
    const facts = this.#arch.relocations.get(type);
    if (facts?.load === undefined) return;
    const symbol = this.#symbols[symbolIndex];
    if (symbol === undefined) return;
    const isOwn = symbol.bind === STB_LOCAL || symbol.visibility !== STV_DEFAULT;

    const { reference, formula } = facts;
    if (reference !== 'address' && reference !== 'call' && reference !== 'tls-tpoff') return;
    if (formula !== 'S+A-P' && formula !== 'S+A') return;
    const word = this.#valueAt(place, facts.size, formula === 'S+A', facts.load, section);
    if (word === undefined) return;
    const base = formula === 'S+A-P' ? place : 0n;
    const value = BigInt.asIntN(64, word + base - addend);

    const own = this.#linkedAs(symbol);
    if (own?.type === STT_GNU_IFUNC || symbol.type === STT_GNU_IFUNC) {
      // The function has no address before its resolver runs: the linker made a stub for its calls.
      if (reference === 'call' && value !== own?.value) this.stubs.set(symbol.name, vaddr(value));
      return;
    }

    if (reference === 'tls-tpoff') {
      const storage = this.#base.threadStorage;
      if (storage === undefined || this.#base.type !== 'executable') return;
      const zero = this.#arch.link.threadPointerOffset(storage, 0n);
      if (isOwn) this.#place(symbol.shndx, value - zero - symbol.value, `a reference to ${symbol.name}`);
      return;
    }
    if (!isOwn) {
      if (own !== undefined && own.value === value) this.direct.add(symbol.name);
      return;
    }
    if (symbol.shndx === SHN_UNDEF || symbol.shndx >= SHN_LORESERVE) return;
    const name = symbol.name === '' ? (this.object.sections[symbol.shndx]?.name ?? '') : symbol.name;
    this.#place(symbol.shndx, value - symbol.value, `a reference to ${name}`);
  }

  /** The base's symbol of the same name, first the global one. */
  #linkedAs(symbol: ElfSymbol): ElfSymbol | undefined {
    const { index, name } = symbol;
    if (name === '') return undefined;
    if (!this.#linked.has(index)) {
      this.#linked.set(index, this.#base.definitions(name)[0] ?? this.#base.localDefinitions(name)[0]);
    }
    return this.#linked.get(index);
  }

  /** What the linker left in a field, or what the dynamic linker will put there. */
  #valueAt(
    place: Vaddr,
    size: number,
    isAbsolute: boolean,
    load: (view: DataView, at: number) => bigint,
    section: Section,
  ): bigint | undefined {
    if (isAbsolute && !this.#base.isFixed) {
      // Thread-pointer offsets are final in any executable; addresses are not, but for relative relocations.
      if ((section.flags & SHF_EXECINSTR) === 0) return this.#base.wordAt(place);
    }
    const bytes = this.#read(place, size);
    return bytes && load(viewOf(bytes), 0);
  }

  #read(at: Vaddr, size: number): Uint8Array | undefined {
    const section = this.#base.sectionAt(at);
    if (section === undefined || at + BigInt(size) > section.address + BigInt(section.size)) return undefined;
    return this.#base.image.readVaddr(at, size);
  }

  #code(section: Section): MaskedCode {
    let code = this.#codes.get(section.index);
    if (code === undefined) {
      code = maskCode(this.object, section, this.#arch);
      this.#codes.set(section.index, code);
    }
    return code;
  }

  differenceAt(symbol: ElfSymbol, address: Vaddr): number | undefined {
    const linked = this.#read(address, symbol.size);
    if (linked === undefined) return 0;
    const section = this.object.sections[symbol.shndx];
    if (section === undefined) return 0;
    return firstDifference(this.#code(section), Number(symbol.value), linked);
  }

  /** The groups of local symbols that can be this unit's. */
  matchGroups(): FileSymbols[] {
    const file = this.object.symbols.files().find((group) => group.file !== '')?.file;
    if (file === undefined) return [];
    const locals = this.#symbols.filter(
      (symbol) =>
        symbol.bind === STB_LOCAL &&
        isDefinition(symbol) &&
        this.#isWhole(this.object.sections[symbol.shndx]),
    );
    if (locals.length === 0) return [];
    const groups = this.#base.symbols.files().filter((group) => group.file === file);
    const fitting = groups.flatMap((group) => {
      const placement = this.#placementBy(group, locals);
      return placement === undefined ? [] : [{ group, placement }];
    });
    // What fits by names may still have other code.
    const sameCode =
      fitting.length <= 1 ? fitting : fitting.filter(({ placement }) => this.#hasSameCode(placement, locals));
    return sameCode.map(({ group }) => group);
  }

  take(group: FileSymbols): void {
    const locals = this.#symbols.filter((symbol) => symbol.bind === STB_LOCAL && isDefinition(symbol));
    for (const [index, address] of this.#placementBy(group, locals) ?? []) {
      this.#place(index, address, `the local symbols of ${group.file}`);
    }
  }

  /** The placement that a group implies; undefined if it does not fit the object or what is known. */
  #placementBy(group: FileSymbols, locals: readonly ElfSymbol[]): Map<number, bigint> | undefined {
    const byName = new Map<string, ElfSymbol[]>();
    for (const symbol of group.symbols) {
      const known = byName.get(symbol.name);
      if (known === undefined) byName.set(symbol.name, [symbol]);
      else known.push(symbol);
    }
    const placement = new Map<number, bigint>();
    for (const local of locals) {
      if (!this.#isWhole(this.object.sections[local.shndx])) continue;
      const matches = (byName.get(local.name) ?? []).filter(
        ({ type, size }) => type === local.type && size === local.size,
      );
      const known = this.placed.get(local.shndx) ?? placement.get(local.shndx);
      if (known !== undefined) {
        // The table may lack a name (strip -x), but not have it elsewhere.
        if (matches.length > 0 && !matches.some(({ value }) => value === known + local.value))
          return undefined;
      } else if (matches.length === 1) {
        placement.set(local.shndx, matches[0]!.value - local.value);
      }
    }
    // A group in which nothing is this object's says nothing.
    const named = locals.some(({ name }) => byName.has(name));
    return named ? placement : undefined;
  }

  #hasSameCode(placement: ReadonlyMap<number, bigint>, locals: readonly ElfSymbol[]): boolean {
    return locals.every((symbol) => {
      const start = placement.get(symbol.shndx);
      if (start === undefined || !isFunction(symbol) || symbol.size === 0) return true;
      return this.differenceAt(symbol, vaddr(start + symbol.value)) === undefined;
    });
  }
}
