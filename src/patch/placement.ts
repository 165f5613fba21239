/** From ELF tables to what a patch is made of: sections to place, symbols by kind, relocations of known types. */
import type { Arch, ReferenceKind, RelocationFacts } from '../arch/arch.ts';
import { vaddr } from '../bytes/address.ts';
import {
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_TLS,
  SHF_WRITE,
  SHN_UNDEF,
  SHT_NOBITS,
  SHT_PROGBITS,
  STB_LOCAL,
  STT_FUNC,
  STT_OBJECT,
  STT_TLS,
} from '../elf/constants.ts';
import { MAX_ALIGNMENT, MAX_REGION, SECTION } from './layout.ts';
import {
  bad,
  type ObjectRelocation,
  type ObjectSection,
  type ObjectSymbol,
  type ObjectTables,
} from './object.ts';
import type {
  BaseSection,
  PatchRelocation,
  PatchSection,
  PatchSymbol,
  SectionKind,
  SymbolType,
} from './patch.ts';

export interface PlacedContents {
  readonly sections: PatchSection[];
  /** By symbol index of the ELF part. */
  readonly symbols: PatchSymbol[];
  readonly baseSections: BaseSection[];
}

/** @throws SutureError BAD_PATCH */
export function placeContents(tables: ObjectTables, arch: Arch): PlacedContents {
  const contentSections = tables.sections.filter(isContents);
  const sectionIndex = new Map(contentSections.map(({ index }, i) => [index, i]));
  const symbols = placeSymbols(tables, sectionIndex);
  const sections = contentSections.map((section) =>
    placeSection(section, tables.relocations.get(section.index) ?? [], symbols, arch),
  );
  if (new Set(sections.map(({ name }) => name)).size !== sections.length) {
    throw bad('two sections of the patch have the same name');
  }
  const total = sections.reduce((sum, { size, align }) => sum + size + align, 0);
  if (total > MAX_REGION) throw bad(`the patch wants ${total} bytes in the target`);
  const baseSections = tables.sections
    .filter(isBase)
    .map(({ name, address, size, align, flags }) => ({ name, address: vaddr(address), size, align, flags }));
  return { sections, symbols, baseSections };
}

/** What is placed in the target, besides the list of functions and its names. */
function isContents({ name, type, flags, address }: ObjectSection): boolean {
  if ((flags & SHF_ALLOC) === 0 || name === SECTION.records || name === SECTION.names) return false;
  if (type === SHT_NOBITS) return name === SECTION.bss && address === 0n;
  return type === SHT_PROGBITS && (name.includes('kpatch') || name === SECTION.frames);
}

/** A header that stands for a section of the base. */
const isBase = (section: ObjectSection): boolean =>
  section.type === SHT_NOBITS && (section.flags & SHF_ALLOC) !== 0 && !isContents(section);

function kindOf({ name, type, flags }: ObjectSection): SectionKind {
  const writable = (flags & SHF_WRITE) !== 0;
  if ((flags & SHF_EXECINSTR) !== 0) {
    if (writable) throw bad(`section ${name} is writable and executable`);
    return 'text';
  }
  if (type === SHT_NOBITS) return 'bss';
  return writable ? 'data' : 'rodata';
}

function placeSection(
  section: ObjectSection,
  relocations: readonly ObjectRelocation[],
  symbols: readonly PatchSymbol[],
  arch: Arch,
): PatchSection {
  const { name, bytes, size, align } = section;
  const kind = kindOf(section);
  if (align > MAX_ALIGNMENT)
    throw bad(`section ${name} has an alignment of ${align}; the largest is ${MAX_ALIGNMENT}`);
  if ((section.flags & SHF_TLS) !== 0) throw bad(`section ${name} is thread-local`);
  if (size > MAX_REGION) throw bad(`section ${name} has ${size} bytes`);
  return {
    name,
    kind,
    bytes,
    size,
    align,
    relocations: relocations.map((relocation) =>
      placeRelocation(name, bytes.length, relocation, symbols, arch),
    ),
  };
}

function placeRelocation(
  section: string,
  size: number,
  relocation: ObjectRelocation,
  symbols: readonly PatchSymbol[],
  arch: Arch,
): PatchRelocation {
  const { offset, type } = relocation;
  const facts = arch.relocations.get(type);
  if (facts === undefined) throw bad(`${section}+${offset} has a relocation of the unknown type ${type}`);
  const symbol = symbols[relocation.symbol];
  if (symbol === undefined)
    throw bad(
      `${facts.name} at ${section}+${offset} names symbol ${relocation.symbol}, which does not exist`,
    );
  if (offset + facts.size > size)
    throw bad(`${facts.name} at ${section}+${offset} lies outside of the section`);
  if (!suits(facts, symbol)) {
    throw bad(
      `${facts.name} at ${section}+${offset} cannot refer to ${symbol.name || 'a symbol without a name'} (${symbol.kind})`,
    );
  }
  return relocation;
}

/** Thread-local references go to thread-local symbols, and no others do. */
const IS_TLS: Record<ReferenceKind, boolean | undefined> = {
  none: undefined,
  address: false,
  call: false,
  got: false,
  size: undefined,
  'tls-tpoff': true,
  'tls-gottpoff': true,
  'tls-gd': true,
  // The module alone counts; compilers name whatever symbol is at hand.
  'tls-ld': undefined,
  'tls-dtpoff': true,
  'tls-desc': true,
  'tls-desc-call': undefined,
};

function suits(facts: RelocationFacts, symbol: PatchSymbol): boolean {
  const wanted = IS_TLS[facts.reference];
  if (wanted === undefined) return true;
  switch (symbol.kind) {
    case 'none':
      return false;
    case 'section':
    case 'base':
      return !wanted;
    case 'tls-base':
      return wanted;
    case 'import':
      // Whether the imported symbol is thread-local is in the manifest; checkConsistency compares.
      return true;
    default:
      return symbol satisfies never;
  }
}

function placeSymbols(tables: ObjectTables, sectionIndex: ReadonlyMap<number, number>): PatchSymbol[] {
  let imports = 0;
  return tables.symbols.map((symbol, index): PatchSymbol => {
    const { name, shndx, bind } = symbol;
    if (index === 0) return { kind: 'none', name: '' };
    if (shndx === SHN_UNDEF) {
      if (name === '' || bind === STB_LOCAL) return { kind: 'none', name };
      return { kind: 'import', name, importIndex: imports++ };
    }
    const section = tables.sections[shndx];
    return section === undefined ? { kind: 'none', name } : placeSymbol(symbol, section, sectionIndex);
  });
}

function placeSymbol(
  symbol: ObjectSymbol,
  section: ObjectSection,
  sectionIndex: ReadonlyMap<number, number>,
): PatchSymbol {
  const { value, size } = symbol;
  const name = symbol.name === '' ? section.name : symbol.name;
  const symbolType = symbolTypeOf(symbol.type);
  const isThreadLocal = symbol.type === STT_TLS;
  const placed = sectionIndex.get(section.index);
  if (placed === undefined && !isBase(section)) return { kind: 'none', name };
  if (isThreadLocal) {
    if (placed !== undefined) throw bad(`${name} is a thread-local variable of the patch`);
    if (value >= 2n ** 47n) throw bad(`${name} lies outside of the thread-local storage`);
    return { kind: 'tls-base', name, offset: value };
  }
  if (value > BigInt(section.size)) {
    // A linker's mark such as `_end` may lie behind its section; nothing can refer to it then.
    if (placed === undefined) return { kind: 'none', name };
    throw bad(`${name} lies outside of ${section.name}`);
  }
  return placed === undefined
    ? { kind: 'base', name, address: vaddr(section.address + value), symbolType }
    : { kind: 'section', name, section: placed, offset: Number(value), size, symbolType };
}

export function symbolTypeOf(type: number): SymbolType {
  switch (type) {
    case STT_FUNC:
      return 'function';
    case STT_OBJECT:
      return 'object';
    case STT_TLS:
      return 'tls';
    default:
      return 'unknown';
  }
}
