/**
 * `--compat`: the contents of a patch in a form that LibcarePlus's loader takes too. That loader knows few kinds of
 * references, looks imports up by plain name in libraries only, has no words for addresses and no unwind tables.
 * What it lacks is made from what it has where the meaning stays the same, and refused where it does not:
 *
 *     a word of the GOT for the patch's or the base's own symbol   a constant of the patch
 *     a word of the GOT for an import                              the base's own word, if it has one
 *     a thread-local offset                                        its number, known when the executable is linked
 *     variables that start as zero                                 data
 */
import type { RelocationFacts } from '../arch/arch.ts';
import { vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { HEADER_BUILD_ID_SIZE, HEADER_ID_LENGTH, SECTION } from '../patch/layout.ts';
import type { ManifestImport } from '../patch/manifest.ts';
import type { PatchContents, PatchRelocation, PatchSection, PatchSymbol } from '../patch/patch.ts';
import type { Base } from './base.ts';
import { languageOfFile } from './language.ts';
import type { Refusal } from './refusal.ts';

export type CompatResult =
  | { readonly kind: 'fits'; readonly contents: PatchContents }
  | { readonly kind: 'refused'; readonly refusals: readonly Refusal[] };

export function fitForLibcareplus(contents: PatchContents, base: Base): CompatResult {
  const fitting = new Fitting(contents, base);
  fitting.requirePlain();
  const fitted = fitting.contents();
  const { refusals } = fitting;
  return refusals.length > 0 ? { kind: 'refused', refusals } : { kind: 'fits', contents: fitted };
}

const REMEDY = 'leave out --compat; suture apply does without LibcarePlus';
const WORD = 8;

class Fitting {
  readonly refusals: Refusal[] = [];
  readonly #contents: PatchContents;
  readonly #base: Base;
  readonly #symbols: PatchSymbol[];
  readonly #imports: ManifestImport[];
  /** Contents of the words, in order: an address, or a number. */
  readonly #words: { readonly symbol?: number; readonly value?: bigint }[] = [];
  /** Index in `#words` by what it is for. */
  readonly #wordOf = new Map<string, number>();
  /** Index of the symbol that names the first word. */
  #wordsSymbol: number | undefined;

  constructor(contents: PatchContents, base: Base) {
    this.#contents = contents;
    this.#base = base;
    this.#symbols = [...contents.symbols];
    this.#imports = [...contents.manifest.imports];
  }

  /** What the header, the manifest and the language forbid. */
  requirePlain(): void {
    const { manifest, sections } = this.#contents;
    if (manifest.id.length > HEADER_ID_LENGTH)
      this.#refuse(
        `the id ${manifest.id} has more than the ${HEADER_ID_LENGTH} characters that its header has room for`,
      );
    if (manifest.target.buildId.length !== HEADER_BUILD_ID_SIZE * 2)
      this.#refuse(
        `the build id of ${manifest.target.file} has not the ${HEADER_BUILD_ID_SIZE} bytes that its header has`,
      );
    if (manifest.requires.length > 0)
      this.#refuse(`the patch builds on ${manifest.requires.join(', ')}; it knows no order among patches`);
    for (const { name, from } of manifest.imports) {
      if (from !== undefined)
        this.#refuse(`${name} is of the patch ${from.patch}; it looks up libraries only`);
    }
    if (sections.some(({ name, size }) => name === SECTION.exceptTable && size > 0))
      this.#refuse('the new code catches exceptions or cleans up after them; it registers no unwind tables');
    const units = new Set(manifest.functions.map(({ unit }) => unit));
    for (const unit of units) {
      if (languageOfFile(unit) === 'c++')
        this.#refuse(`${unit} is C++; exceptions could not pass through its frames`, unit);
    }
  }

  contents(): PatchContents {
    const sections = this.#contents.sections.map((section) => this.#section(section));
    const placed = this.#withWords(this.#withoutBss(sections));
    return { ...this.#contents, sections: placed, ...this.#usedImports(placed) };
  }

  /** Its loader looks up every import, also one that a word of the base has made needless. */
  #usedImports(sections: readonly PatchSection[]): Pick<PatchContents, 'manifest' | 'symbols'> {
    const used = new Set(
      sections.flatMap(({ relocations }) =>
        relocations.flatMap(({ symbol: index }) => {
          const symbol = this.#symbols[index]!;
          return symbol.kind === 'import' ? [symbol.importIndex] : [];
        }),
      ),
    );
    const kept = [...used].sort((a, b) => a - b);
    const symbols = this.#symbols.map((symbol): PatchSymbol => {
      if (symbol.kind !== 'import') return symbol;
      const importIndex = kept.indexOf(symbol.importIndex);
      return importIndex < 0 ? { kind: 'none', name: '' } : { ...symbol, importIndex };
    });
    const imports = kept.map((index) => this.#imports[index]!);
    for (const { name, weak } of imports) {
      if (weak) this.#refuse(`${name} may have no definition (weak); it looks up only what must have one`);
    }
    return { manifest: { ...this.#contents.manifest, imports }, symbols };
  }

  #section(section: PatchSection): PatchSection {
    const bytes = section.bytes.slice();
    const relocations = section.relocations.flatMap(
      (relocation) => this.#relocation(section.name, bytes, relocation) ?? [],
    );
    return { ...section, bytes, relocations };
  }

  /** What stands for the relocation; undefined if nothing need be done when the patch is loaded. */
  #relocation(section: string, bytes: Uint8Array, relocation: PatchRelocation): PatchRelocation | undefined {
    const { arch } = this.#contents;
    const facts = arch.relocations.get(relocation.type)!;
    const symbol = this.#symbols[relocation.symbol]!;
    const name = symbol.name || section;
    switch (facts.reference) {
      case 'tls-tpoff': {
        const value = this.#threadOffset(symbol);
        const isStored =
          value !== undefined && facts.store(viewOf(bytes), relocation.offset, value + relocation.addend);
        if (!isStored) this.#refuse(`the place of the thread-local ${name} is known only in the process`);
        return undefined;
      }
      case 'tls-gottpoff': {
        const value = this.#threadOffset(symbol);
        if (value !== undefined) return this.#throughWord(relocation, facts, `offset ${name}`, { value });
        const slot = this.#threadSlot(symbol);
        if (slot !== undefined) return this.#throughBase(relocation, facts, slot, name);
        this.#refuse(`the base has no word with the offset of the thread-local ${name}`);
        return undefined;
      }
      case 'got': {
        const imported = this.#importOf(symbol);
        if (imported === undefined)
          return this.#throughWord(relocation, facts, `address ${relocation.symbol}`, {
            symbol: relocation.symbol,
          });
        const { slot } = imported;
        if (slot?.kind === 'glob-dat')
          return this.#throughBase(relocation, facts, BigInt(slot.address), name);
        this.#noteUse(symbol, 'object');
        if (arch.libcareplus.ofWord.has(relocation.type)) return relocation;
        return this.#unknown(facts, name);
      }
      default:
        return this.#plain(relocation, facts, symbol);
    }
  }

  /** A call, or an address in code or data. */
  #plain(
    relocation: PatchRelocation,
    facts: RelocationFacts,
    symbol: PatchSymbol,
  ): PatchRelocation | undefined {
    const { libcareplus } = this.#contents.arch;
    const imported = this.#importOf(symbol);
    if (facts.reference === 'call') this.#noteUse(symbol, 'function');
    else if (imported !== undefined && facts.reference === 'address' && imported.type !== 'function') {
      this.#refuse(`the address of ${symbol.name}, a variable of a library, is used without a word for it`);
      return undefined;
    }
    const type = libcareplus.same.get(relocation.type) ?? relocation.type;
    return libcareplus.relocations.has(type) ? { ...relocation, type } : this.#unknown(facts, symbol.name);
  }

  #unknown({ name }: RelocationFacts, symbol: string): undefined {
    this.#refuse(`its loader does not know ${name}, or computes it wrongly (${symbol || 'a section'})`);
    return undefined;
  }

  /** The reference goes to a word of our own, which stands among the constants. */
  #throughWord(
    relocation: PatchRelocation,
    facts: RelocationFacts,
    key: string,
    content: { readonly symbol?: number; readonly value?: bigint },
  ): PatchRelocation | undefined {
    const type = this.#contents.arch.libcareplus.ofWord.get(relocation.type);
    if (type === undefined) return this.#unknown(facts, key);
    const known = this.#wordOf.get(key);
    const word = known ?? this.#words.push(content) - 1;
    this.#wordOf.set(key, word);
    // Where the words lie is known when all are: the symbol is filled in then.
    this.#wordsSymbol ??= this.#symbols.push({ kind: 'none', name: '' }) - 1;
    return {
      ...relocation,
      type,
      symbol: this.#wordsSymbol,
      addend: relocation.addend + BigInt(word * WORD),
    };
  }

  /** The reference goes to a word of the base, which the dynamic linker filled. */
  #throughBase(
    relocation: PatchRelocation,
    facts: RelocationFacts,
    slot: bigint,
    name: string,
  ): PatchRelocation | undefined {
    const type = this.#contents.arch.libcareplus.ofWord.get(relocation.type);
    if (type === undefined) return this.#unknown(facts, name);
    const at: PatchSymbol = {
      kind: 'base',
      name: `${name} in the GOT`,
      address: vaddr(slot),
      symbolType: 'object',
    };
    return { ...relocation, type, symbol: this.#symbols.push(at) - 1 };
  }

  /** Offset from the thread pointer; known for the executable's own variables. */
  #threadOffset(symbol: PatchSymbol): bigint | undefined {
    const { threadStorage } = this.#base;
    if (symbol.kind !== 'tls-base' || this.#base.type !== 'executable' || threadStorage === undefined)
      return undefined;
    return this.#contents.arch.link.threadPointerOffset(threadStorage, symbol.offset);
  }

  /** Link-time address of the base's word with a thread-local offset. */
  #threadSlot(symbol: PatchSymbol): bigint | undefined {
    const { tpoff } = this.#contents.arch.link;
    return this.#base.image
      .dynamicRelocations(new Set([tpoff]))
      .find((found) =>
        symbol.kind === 'tls-base'
          ? (found.symbol === undefined || found.symbol.name === '') && found.addend === symbol.offset
          : found.symbol?.name === symbol.name,
      )?.at;
  }

  #importOf(symbol: PatchSymbol): ManifestImport | undefined {
    return symbol.kind === 'import' ? this.#imports[symbol.importIndex] : undefined;
  }

  /** Its loader looks up functions and variables; of what kind a symbol is that the base does not know, its use tells. */
  #noteUse(symbol: PatchSymbol, type: 'function' | 'object'): void {
    const imported = this.#importOf(symbol);
    if (symbol.kind !== 'import' || imported?.type !== 'unknown') return;
    this.#imports[symbol.importIndex] = { ...imported, type };
  }

  /** The words are behind everything else that is read only: what was placed stays where it was. */
  #withWords(sections: readonly PatchSection[]): readonly PatchSection[] {
    if (this.#wordsSymbol === undefined) return sections;
    const { absolute64 } = this.#contents.arch.link;
    const bytes = new Uint8Array(this.#words.length * WORD);
    const relocations: PatchRelocation[] = [];
    this.#words.forEach(({ symbol, value }, i) => {
      const offset = i * WORD;
      if (value !== undefined) viewOf(bytes).setBigInt64(offset, value, true);
      if (symbol !== undefined) relocations.push({ offset, type: absolute64, symbol, addend: 0n });
    });
    this.#symbols[this.#wordsSymbol] = {
      kind: 'section',
      name: 'words',
      section: sections.length,
      offset: 0,
      size: bytes.length,
      symbolType: 'object',
    };
    const words = { name: SECTION.words, kind: 'rodata' as const, bytes, size: bytes.length };
    return [...sections, { ...words, align: WORD, relocations }];
  }

  /** Its loader takes a section without contents for one of the base, and protects from `.kpatch.data` on. */
  #withoutBss(sections: readonly PatchSection[]): PatchSection[] {
    const hasData = sections.some(({ name }) => name === SECTION.data);
    return sections.map((section) =>
      section.kind === 'bss'
        ? {
            ...section,
            name: hasData ? section.name : SECTION.data,
            kind: 'data',
            bytes: new Uint8Array(section.size),
          }
        : section,
    );
  }

  #refuse(what: string, unit?: string): void {
    const text = `LibcarePlus cannot load this patch: ${what}`;
    if (!this.refusals.some((refusal) => refusal.what === text))
      this.refusals.push({ unit, what: text, remedy: REMEDY });
  }
}
