/**
 * The offset table and the stubs that a patch needs in its region, and its sections with every reference filled in.
 * Which words and stubs there are depends on the patch alone, so that their number is known before the place is.
 */
import type { Arch, RelocationFacts } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { plus, type Remote, toRemote, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { relocateSection } from '../elf/relocate.ts';
import type { Patch, PatchRelocation, PatchSymbol } from '../patch/patch.ts';
import type { Binding, ImportUse } from './bindings.ts';
import type { RegionLayout } from './layout.ts';
import type { Descriptor, ThreadOffset, ThreadStorage } from './thread-storage.ts';
import type { ObjectView } from './view.ts';

type WordUse = 'address' | 'tpoff' | 'module-offset' | 'module' | 'descriptor';
const WORDS: Record<WordUse, number> = {
  address: 1,
  tpoff: 1,
  'module-offset': 2,
  module: 2,
  descriptor: 2,
};

/** Words and stubs by what they are for. */
export interface Linkage {
  /** Index of the first word by `${use} ${symbol}`. */
  readonly words: ReadonlyMap<string, number>;
  readonly wordCount: number;
  /** Index of the stub by index of the import. */
  readonly stubs: ReadonlyMap<number, number>;
  /** Index among the stubs of the code that TLS descriptors lead to; undefined if there are none. */
  readonly descriptorCode: number | undefined;
  readonly stubCount: number;
  /** By index of the import. */
  readonly importUses: readonly ImportUse[];
}

const wordKey = (use: WordUse, symbol: number): string => `${use} ${symbol}`;

/** The use of a word that a reference makes, or undefined when it needs none. */
function wordUse(reference: RelocationFacts['reference']): WordUse | undefined {
  switch (reference) {
    case 'got':
      return 'address';
    case 'tls-gottpoff':
      return 'tpoff';
    case 'tls-gd':
      return 'module-offset';
    case 'tls-ld':
      return 'module';
    case 'tls-desc':
      return 'descriptor';
    default:
      return undefined;
  }
}

/** A field too narrow for any address of the process: the reference goes to a stub if the symbol is a function. */
const isNarrow = (facts: RelocationFacts): boolean => facts.reference === 'address' && facts.size < 8;

/** Counts what a patch needs. Throws RELOCATION for a type that the CPU does not have. */
export function linkageOf(patch: Patch): Linkage {
  const words = new Map<string, number>();
  let wordCount = 0;
  const stubs = new Map<number, number>();
  const uses = patch.manifest.imports.map(() => ({ address: false, call: false }));
  const takeWord = (use: WordUse, symbol: number) => {
    const key = wordKey(use, symbol);
    if (words.has(key)) return;
    words.set(key, wordCount);
    wordCount += WORDS[use];
  };
  for (const section of patch.sections) {
    for (const relocation of section.relocations) {
      const facts = factsOf(patch.arch, relocation, section.name);
      const symbol = patch.symbols[relocation.symbol];
      const word = wordUse(facts.reference);
      if (word !== undefined) takeWord(word, relocation.symbol);
      if (symbol?.kind !== 'import') continue;
      const use = uses[symbol.importIndex];
      if (use === undefined) continue;
      const isCall = facts.reference === 'call';
      if (isCall) use.call = true;
      else use.address = true;
      if (isCall || isNarrow(facts)) {
        if (!stubs.has(symbol.importIndex)) {
          stubs.set(symbol.importIndex, stubs.size);
          // A stub jumps through a word: the base's slot, or this one when the base has none.
          takeWord('address', relocation.symbol);
        }
      }
    }
  }
  const hasDescriptors = [...words.keys()].some((key) => key.startsWith('descriptor '));
  return {
    words,
    wordCount,
    stubs,
    descriptorCode: hasDescriptors ? stubs.size : undefined,
    stubCount: stubs.size + (hasDescriptors ? 1 : 0),
    importUses: uses,
  };
}

function factsOf(arch: Arch, relocation: PatchRelocation, section: string): RelocationFacts {
  const facts = arch.relocations.get(relocation.type);
  if (facts !== undefined) return facts;
  throw new SutureError(
    'RELOCATION',
    `relocation type ${relocation.type} in ${section} is unknown on ${arch.name}`,
  );
}

export interface LinkInput {
  readonly patch: Patch;
  readonly base: ObjectView;
  readonly layout: RegionLayout;
  readonly region: Remote;
  readonly linkage: Linkage;
  /** By index of the import. */
  readonly bindings: readonly Binding[];
  readonly ownStorage: ThreadStorage;
  /** What each resolver returned. */
  readonly resolved: ReadonlyMap<Remote, Remote>;
}

/** Fills `bytes`, an image of the whole region, with sections, words and stubs. Throws RELOCATION and UNSUPPORTED. */
export function linkInto(bytes: Uint8Array, input: LinkInput): void {
  const { patch, layout, region } = input;
  const { arch } = patch;
  const got = plus(region, layout.gotOffset);
  const wordAt = (use: WordUse, symbol: number): Remote =>
    plus(got, 8 * required(input.linkage.words.get(wordKey(use, symbol)), use));
  const stubAt = (importIndex: number): Remote =>
    plus(
      region,
      layout.stubsOffset + arch.link.stub.size * required(input.linkage.stubs.get(importIndex), 'stub'),
    );

  const nameOf = ({ symbol }: PatchRelocation): string => patch.symbols[symbol]?.name || `symbol ${symbol}`;
  const valueFor = (relocation: PatchRelocation, facts: RelocationFacts): bigint => {
    const symbol = patch.symbols[relocation.symbol];
    if (symbol === undefined || symbol.kind === 'none') return 0n;
    const word = wordUse(facts.reference);
    if (word !== undefined) return wordAt(word, relocation.symbol);
    switch (facts.reference) {
      case 'size':
        return BigInt(sizeOf(symbol, input));
      case 'tls-tpoff':
        return threadPointerOffset(symbol, input);
      case 'tls-dtpoff':
        return threadOffsetOf(symbol, input).offset;
      case 'call':
        if (symbol.kind === 'import') return stubAt(symbol.importIndex);
        return addressOf(symbol, input);
      default: {
        const importedFunction = symbol.kind === 'import' && input.bindings[symbol.importIndex]?.isFunction;
        if (importedFunction && isNarrow(facts)) return stubAt(symbol.importIndex);
        return addressOf(symbol, input);
      }
    }
  };

  patch.sections.forEach((section, index) => {
    const offset = required(layout.sectionOffsets[index], section.name);
    const place = plus(region, offset);
    const target = bytes.subarray(offset, offset + section.size);
    target.set(section.bytes);
    relocateSection(arch, section, target, { place, got, valueOf: valueFor, nameOf });
  });
  fillWords(bytes, input);
  const { descriptorCode } = input.linkage;
  if (descriptorCode !== undefined)
    bytes.set(arch.link.descriptorCode, layout.stubsOffset + arch.link.stub.size * descriptorCode);
  fillStubs(bytes, input, stubAt, wordAt);
}

function fillWords(bytes: Uint8Array, input: LinkInput): void {
  const view = viewOf(bytes);
  const store = (word: number, value: bigint) =>
    view.setBigUint64(input.layout.gotOffset + 8 * word, BigInt.asUintN(64, value), true);
  for (const [key, word] of input.linkage.words) {
    const [use, index] = key.split(' ') as [WordUse, string];
    const symbol = input.patch.symbols[Number(index)];
    if (symbol === undefined || symbol.kind === 'none') continue;
    if (use === 'address') {
      store(word, addressOf(symbol, input));
    } else if (use === 'tpoff') {
      store(word, threadPointerOffset(symbol, input));
    } else if (use === 'descriptor') {
      const { code, argument } = descriptorFor(symbol, input);
      store(word, code);
      store(word + 1, argument);
    } else {
      const { storage, offset } = threadOffsetOf(symbol, input);
      if (storage.moduleId === undefined) {
        throw new SutureError(
          'UNSUPPORTED',
          `the thread-local block of ${storage.owner} has no number in this process that could be read`,
          {
            remedy: 'build the fixed unit with -ftls-model=initial-exec',
          },
        );
      }
      store(word, storage.moduleId);
      store(word + 1, use === 'module' ? 0n : offset);
    }
  }
}

function fillStubs(
  bytes: Uint8Array,
  input: LinkInput,
  stubAt: (importIndex: number) => Remote,
  wordAt: (use: WordUse, symbol: number) => Remote,
): void {
  const { stub } = input.patch.arch.link;
  input.patch.symbols.forEach((symbol, index) => {
    if (symbol.kind !== 'import' || !input.linkage.stubs.has(symbol.importIndex)) return;
    if (!input.linkage.words.has(wordKey('address', index))) return;
    const at = stubAt(symbol.importIndex);
    const slot = input.bindings[symbol.importIndex]?.callSlot ?? wordAt('address', index);
    const code = stub.encode(at, slot);
    if (code === undefined)
      throw new SutureError('NO_ROOM', `the stub for ${symbol.name} does not reach its word`);
    bytes.set(code, Number(at - input.region));
  });
}

function addressOf(symbol: PatchSymbol, input: LinkInput): Remote {
  switch (symbol.kind) {
    case 'section':
      return plus(
        input.region,
        required(input.layout.sectionOffsets[symbol.section], symbol.name) + symbol.offset,
      );
    case 'base':
      return toRemote(symbol.address, input.base.bias);
    case 'import': {
      const binding = required(input.bindings[symbol.importIndex], symbol.name);
      if (binding.resolver === undefined) return binding.address;
      return required(input.resolved.get(binding.resolver), `the resolver of ${symbol.name}`);
    }
    case 'tls-base':
      throw new SutureError('RELOCATION', `thread-local ${symbol.name} has no address`);
    case 'none':
      return toRemote(vaddr(0n), input.base.bias);
    default:
      return symbol satisfies never;
  }
}

function sizeOf(symbol: PatchSymbol, input: LinkInput): number {
  if (symbol.kind === 'section') return symbol.size;
  if (symbol.kind === 'import') return input.bindings[symbol.importIndex]?.size ?? 0;
  throw new SutureError('RELOCATION', `the size of ${symbol.name} is not known`);
}

function threadOffsetOf(symbol: PatchSymbol, input: LinkInput): ThreadOffset {
  if (symbol.kind === 'tls-base') return { storage: input.ownStorage, offset: symbol.offset };
  const bound = symbol.kind === 'import' ? input.bindings[symbol.importIndex]?.threadOffset : undefined;
  if (bound !== undefined) return bound;
  // A local-dynamic reference names the object's own block through any symbol of it.
  if (symbol.kind === 'base' || symbol.kind === 'section') return { storage: input.ownStorage, offset: 0n };
  throw new SutureError('RELOCATION', `${symbol.name} is not thread-local`);
}

/**
 * An offset that all threads share needs no more than our own code. Otherwise the variable's block is allocated thread
 * by thread, and only what the dynamic linker made for a descriptor of the same variable finds it.
 */
function descriptorFor(symbol: PatchSymbol, input: LinkInput): Descriptor {
  const { storage, offset } = threadOffsetOf(symbol, input);
  if (storage.blockOffset !== undefined) {
    const { layout, linkage, patch, region } = input;
    const index = required(linkage.descriptorCode, 'code for TLS descriptors');
    const code = plus(region, layout.stubsOffset + patch.arch.link.stub.size * index);
    return { code, argument: storage.blockOffset + offset };
  }
  const present = storage.descriptors.get(offset);
  if (present !== undefined) return present;
  throw new SutureError(
    'UNSUPPORTED',
    `no TLS descriptor of this process leads to ${symbol.name} of ${storage.owner}`,
    { remedy: 'let the fix use only thread-local variables that the object uses in the same way already' },
  );
}

function threadPointerOffset(symbol: PatchSymbol, input: LinkInput): bigint {
  const { storage, offset } = threadOffsetOf(symbol, input);
  if (storage.blockOffset === undefined) {
    throw new SutureError(
      'UNSUPPORTED',
      `no word of this process tells where ${storage.owner} keeps ${symbol.name}`,
      {
        remedy: 'build the fixed unit with -ftls-model=global-dynamic',
      },
    );
  }
  return storage.blockOffset + offset;
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new SutureError('BAD_PATCH', `the patch lacks ${what}`);
  return value;
}
