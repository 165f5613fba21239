/**
 * The base: the executable or library as it was linked and as it runs, with the indexes that linking a patch against
 * it needs.
 */
import type { Arch } from '../arch/arch.ts';
import { archOfMachine } from '../arch/index.ts';
import { SutureError } from '../base/errors.ts';
import { type Vaddr, vaddr } from '../bytes/address.ts';
import { lastAtMost, sortedOrder } from '../bytes/sorted.ts';
import {
  DF_1_PIE,
  DT_FLAGS,
  DT_FLAGS_1,
  DT_SYMBOLIC,
  ET_DYN,
  ET_EXEC,
  PT_INTERP,
  PT_TLS,
  SHF_ALLOC,
  SHF_TLS,
  SHN_UNDEF,
  STB_LOCAL,
  STT_FILE,
  STT_FUNC,
  STT_GNU_IFUNC,
  STT_SECTION,
  STT_TLS,
} from '../elf/constants.ts';
import { ElfImage } from '../elf/image.ts';
import type { ElfSymbol, SymbolTable } from '../elf/symbols.ts';
import type { BaseSection } from '../patch/patch.ts';

/** gABI ch. 5, "Dynamic Section": DF_SYMBOLIC. */
const DF_SYMBOLIC = 2n;

/** Words of the base that the dynamic linker fills with a symbol's address. */
export interface Slots {
  readonly jumpSlot?: Vaddr;
  readonly globDat?: Vaddr;
}

export class Base {
  readonly arch: Arch;
  readonly type: 'executable' | 'library';
  readonly buildId: string;
  /** .symtab, of the file or of its separate debug file. */
  readonly symbols: SymbolTable;
  /** Allocated sections. */
  readonly sections: readonly BaseSection[];
  #versioned: ReadonlyMap<string, readonly ElfSymbol[]> | undefined;
  #slots: ReadonlyMap<string, Slots> | undefined;
  #relative: ((at: Vaddr) => bigint | undefined) | undefined;
  #starts: BigUint64Array | undefined;
  #fileless: ReadonlySet<number> | undefined;

  private constructor(
    readonly image: ElfImage,
    symbols: SymbolTable,
  ) {
    const arch = archOfMachine(image.machine);
    if (arch === undefined) {
      throw new SutureError(
        'UNSUPPORTED',
        `${image.name} is for a CPU that is not known here (ELF machine ${image.machine})`,
      );
    }
    this.arch = arch;
    this.type = typeOf(image);
    this.buildId = buildIdOf(image);
    this.symbols = symbols;
    this.sections = image.sections
      .filter(({ flags }) => (flags & SHF_ALLOC) !== 0)
      .map(({ name, address, size, align, flags }) => ({ name, address, size, align, flags }));
  }

  /**
   * Opens a linked file. `debug` is its separate debug file, needed when the file itself is stripped.
   * @throws SutureError NOT_ELF, BAD_FORMAT, UNSUPPORTED (not linked, other CPU), NO_BUILD_ID, REFUSED (stripped)
   */
  static open(bytes: Uint8Array, name: string, debug?: Uint8Array): Base {
    const image = ElfImage.parse(bytes, name);
    return new Base(image, symbolsOf(image, debug && ElfImage.parse(debug, `the debug file of ${name}`)));
  }

  /** A linked file with the symbols of another that was proven to be the same code at the same addresses. */
  static openAs(image: ElfImage, symbols: SymbolTable): Base {
    return new Base(image, symbols);
  }

  get name(): string {
    return this.image.name;
  }

  /** Builds the indexes that every link asks for. */
  prepare(): void {
    this.symbols.named('');
    this.symbols.files();
    this.nextSymbol(vaddr(0n));
    this.wordAt(vaddr(0n));
    this.#versioned ??= this.#indexVersions();
  }

  /** True when its code runs at its link-time addresses. */
  get isFixed(): boolean {
    return this.image.type === ET_EXEC;
  }

  get isDynamic(): boolean {
    return this.image.dynamic().size > 0;
  }

  /** Whether the library was linked so that its own definitions win (-Bsymbolic). */
  get isSymbolic(): boolean {
    const tags = this.image.dynamic();
    return tags.has(DT_SYMBOLIC) || ((tags.get(DT_FLAGS)?.[0] ?? 0n) & DF_SYMBOLIC) !== 0n;
  }

  /** PT_TLS, the base's block of thread-local storage. */
  get threadStorage(): { readonly memSize: bigint; readonly align: bigint } | undefined {
    const segment = this.image.segments.find(({ type }) => type === PT_TLS);
    return segment && { memSize: BigInt(segment.memSize), align: BigInt(segment.align) };
  }

  /** Global and weak definitions of a name in .symtab, with whatever version. */
  definitions(name: string): ElfSymbol[] {
    const isDefinition = ({ bind, shndx }: ElfSymbol): boolean => bind !== STB_LOCAL && shndx !== SHN_UNDEF;
    const plain = this.symbols.named(name).filter(isDefinition);
    if (plain.length > 0) return plain;
    // A default version (name@@V, or an imported name@V that was copied here) is what a plain reference means.
    this.#versioned ??= this.#indexVersions();
    const found = (this.#versioned.get(name) ?? []).filter(isDefinition);
    const preferred = found.filter((symbol) => symbol.name.includes('@@'));
    return preferred.length > 0 ? preferred : found;
  }

  /** Local definitions of a name: static ones, and hidden ones, which linkers make local. */
  localDefinitions(name: string): ElfSymbol[] {
    return this.symbols
      .named(name)
      .filter(
        ({ bind, shndx, type }) =>
          bind === STB_LOCAL && shndx !== SHN_UNDEF && type !== STT_FILE && type !== STT_SECTION,
      );
  }

  /** True for a local symbol that stands under no source file: linkers put hidden definitions there. */
  isInNoFile({ index }: ElfSymbol): boolean {
    this.#fileless ??= new Set(
      this.symbols
        .files()
        .filter(({ file }) => file === '')
        .flatMap(({ symbols }) => symbols.map((symbol) => symbol.index)),
    );
    return this.#fileless.has(index);
  }

  /** The dynamic symbol of a name that the base needs from elsewhere. */
  imported(name: string): ElfSymbol | undefined {
    return this.image.dynamicSymbols.named(name).find(({ shndx }) => shndx === SHN_UNDEF);
  }

  /** The dynamic symbol of a name that the base offers to others. */
  exported(name: string): ElfSymbol | undefined {
    return this.image.dynamicSymbols
      .named(name)
      .find(({ shndx, versionHidden }) => shndx !== SHN_UNDEF && !versionHidden);
  }

  slots(name: string): Slots {
    this.#slots ??= this.#indexSlots();
    return this.#slots.get(name) ?? {};
  }

  /** The address that the word at `at` will hold after the dynamic linker's relative relocations, before the load bias. */
  wordAt(at: Vaddr): bigint | undefined {
    this.#relative ??= this.isDynamic ? this.image.relativeWords() : () => undefined;
    return this.#relative(at);
  }

  /** Every function symbol at exactly this address. */
  functionsAt(address: Vaddr): ElfSymbol[] {
    const found: ElfSymbol[] = [];
    for (let i = 1; i < this.symbols.length; i++) {
      if (this.symbols.valueOf(i) !== address || this.symbols.shndxOf(i) === SHN_UNDEF) continue;
      const type = this.symbols.typeOf(i);
      if (type === STT_FUNC || type === STT_GNU_IFUNC) found.push(this.symbols.at(i));
    }
    return found;
  }

  /** The lowest address above `at` where a function or another symbol of code or data starts. */
  nextSymbol(at: Vaddr): bigint | undefined {
    this.#starts ??= this.#indexStarts();
    return this.#starts[lastAtMost(this.#starts, at) + 1];
  }

  /** The executable or other allocated section that holds the address. */
  sectionAt(address: bigint): BaseSection | undefined {
    return this.sections.find(
      (section) =>
        address >= section.address &&
        address < section.address + BigInt(section.size) &&
        !isThreadLocal(section),
    );
  }

  #indexVersions(): ReadonlyMap<string, readonly ElfSymbol[]> {
    const index = new Map<string, ElfSymbol[]>();
    for (let i = 1; i < this.symbols.length; i++) {
      const name = this.symbols.nameOf(i);
      const at = name.indexOf('@');
      if (at <= 0) continue;
      const plain = name.slice(0, at);
      const known = index.get(plain);
      if (known === undefined) index.set(plain, [this.symbols.at(i)]);
      else known.push(this.symbols.at(i));
    }
    return index;
  }

  #indexSlots(): ReadonlyMap<string, Slots> {
    const { jumpSlot, globDat } = this.arch.link;
    const index = new Map<string, Slots>();
    const filled = this.isDynamic ? this.image.dynamicRelocations(new Set([jumpSlot, globDat])) : [];
    for (const { at, type, symbol, addend } of filled) {
      if (symbol === undefined || addend !== 0n) continue;
      const known = index.get(symbol.name) ?? {};
      index.set(symbol.name, type === jumpSlot ? { ...known, jumpSlot: at } : { ...known, globDat: at });
    }
    return index;
  }

  #indexStarts(): BigUint64Array {
    const starts = new BigUint64Array(this.symbols.length);
    let count = 0;
    for (let i = 1; i < this.symbols.length; i++) {
      const type = this.symbols.typeOf(i);
      if (type === STT_FILE || type === STT_SECTION || type === STT_TLS) continue;
      if (this.symbols.shndxOf(i) === SHN_UNDEF) continue;
      starts[count++] = this.symbols.valueOf(i);
    }
    const used = starts.slice(0, count);
    return sorted(used);
  }
}

function sorted(keys: BigUint64Array): BigUint64Array {
  const order = sortedOrder(keys);
  const ascending = new BigUint64Array(keys.length);
  order.forEach((index, i) => {
    ascending[i] = keys[index]!;
  });
  return ascending;
}

const isThreadLocal = ({ flags }: BaseSection): boolean => (flags & SHF_TLS) !== 0;

function typeOf(image: ElfImage): 'executable' | 'library' {
  if (image.type === ET_EXEC) return 'executable';
  if (image.type !== ET_DYN) {
    throw new SutureError('UNSUPPORTED', `${image.name} is neither an executable nor a shared library`);
  }
  const flags = image.dynamic().get(DT_FLAGS_1)?.[0] ?? 0n;
  if ((flags & BigInt(DF_1_PIE)) !== 0n) return 'executable';
  // Linkers before 2018 did not mark executables; the C library has an interpreter, but a name of its own too.
  const hasInterpreter = image.segments.some(({ type }) => type === PT_INTERP);
  return hasInterpreter && image.soname() === undefined ? 'executable' : 'library';
}

function buildIdOf(image: ElfImage): string {
  const buildId = image.buildId();
  if (buildId !== undefined) return buildId;
  throw new SutureError(
    'NO_BUILD_ID',
    `${image.name} has no build id: a process that runs it could not be told from others`,
    {
      remedy: 'link it with -Wl,--build-id, install that, and record the build again',
    },
  );
}

function symbolsOf(image: ElfImage, debug: ElfImage | undefined): SymbolTable {
  if (debug === undefined && image.symbols.length > 1) return image.symbols;
  if (debug === undefined) {
    throw new SutureError('REFUSED', `${image.name} is stripped: it has no symbol table`, {
      remedy: 'name its separate debug file with --debug, or the file before it was stripped with --target',
    });
  }
  if (debug.buildId() !== image.buildId()) {
    throw new SutureError('REFUSED', `${debug.name} belongs to another build: its build id differs`, {
      remedy: 'use the debug file that was made together with the base',
    });
  }
  if (debug.symbols.length > 1) return debug.symbols;
  throw new SutureError('REFUSED', `${debug.name} has no symbol table`);
}
