/**
 * What a name in composed text means in the base: a place in it, a variable of its thread-local block, or a symbol of
 * another object. The rules are the ones by which the base itself was linked and is bound when it starts.
 */
import type { ReferenceKind } from '../arch/arch.ts';
import { hex, type Vaddr, vaddr } from '../bytes/address.ts';
import { STB_WEAK, STT_GNU_IFUNC, STT_TLS, STV_DEFAULT, STV_HIDDEN, STV_INTERNAL } from '../elf/constants.ts';
import type { ElfSymbol } from '../elf/symbols.ts';
import type { ManifestImport } from '../patch/manifest.ts';
import type { SymbolType } from '../patch/patch.ts';
import { symbolTypeOf } from '../patch/placement.ts';
import type { Base } from './base.ts';
import type { UnitPlacement } from './unit-placement.ts';

export type Resolution =
  | { readonly kind: 'base'; readonly address: Vaddr; readonly symbolType: SymbolType }
  | { readonly kind: 'tls-base'; readonly offset: bigint }
  | { readonly kind: 'import'; readonly import: ManifestImport; readonly isNew: boolean }
  | { readonly kind: 'refused'; readonly what: string; readonly remedy: string };

export interface Reference {
  /** As in the original. */
  readonly name: string;
  /** 'unit': a local symbol of the original unit. */
  readonly scope: 'unit' | 'global';
  readonly use: ReferenceKind;
  /** A field that any address fits in, like a pointer in data: filled when the patch is applied. */
  readonly isWhole?: boolean;
  /** A pc-relative field. Addresses are taken through the GOT, so that it reads or writes at the symbol. */
  readonly isAccess?: boolean;
  readonly weak: boolean;
}

/** Start of the object's own thread-local block, a name that linkers define for descriptors of the whole block. */
const TLS_BLOCK = '_TLS_MODULE_BASE_';

export function resolve(base: Base, placement: UnitPlacement, reference: Reference): Resolution {
  if (reference.name === TLS_BLOCK) return { kind: 'tls-base', offset: 0n };
  return reference.scope === 'unit'
    ? resolveLocal(base, placement, reference)
    : resolveGlobal(base, placement, reference);
}

const refused = (what: string, remedy: string): Resolution => ({ kind: 'refused', what, remedy });

/** A call of a function that a resolver chooses is a call like any other. */
const typeOf = ({ type }: ElfSymbol): SymbolType =>
  type === STT_GNU_IFUNC ? 'function' : symbolTypeOf(type);

function resolveLocal(base: Base, placement: UnitPlacement, reference: Reference): Resolution {
  const { name } = reference;
  const symbol = placement.local(name);
  if (symbol === undefined) {
    return refused(
      `${name} is not in the object file that the unit compiles to`,
      'report this with the source file and the compiler version',
    );
  }
  const address = placement.addressOf(symbol);
  if (address === undefined) {
    return placement.candidates.length > 1
      ? refused(
          `${name} could be any of ${placement.candidates.length} symbols of that name in files of that name`,
          'link the base with its symbols and compile the two files under different names',
        )
      : refused(
          `${base.name} does not contain ${name}: the linker left it out, or nothing tells where it is`,
          'let the fix do without it, or keep it in the base (no --gc-sections, a symbol table with local symbols)',
        );
  }
  return place(placement, symbol, address, reference);
}

function place(
  placement: UnitPlacement,
  symbol: ElfSymbol,
  address: Vaddr,
  { name, use }: Reference,
): Resolution {
  if (symbol.type === STT_TLS) return { kind: 'tls-base', offset: address };
  if (symbol.type === STT_GNU_IFUNC) {
    const stub = use === 'call' ? placement.stubOf(name) : undefined;
    if (stub !== undefined) return { kind: 'base', address: stub, symbolType: 'function' };
    return refused(
      `${name} is chosen by a resolver function of the base when the program starts`,
      'call it as the unit does already, or call the implementation itself',
    );
  }
  return { kind: 'base', address, symbolType: typeOf(symbol) };
}

function resolveGlobal(base: Base, placement: UnitPlacement, reference: Reference): Resolution {
  const { name, use } = reference;
  const own = hiddenOrGlobal(base, placement, name);
  if (own !== undefined && 'ambiguous' in own) {
    return refused(
      `${name} has ${own.ambiguous} definitions in ${base.name}`,
      'report this with the output of `nm` for the name',
    );
  }
  if (own !== undefined) {
    // Only through the procedure linkage table or the GOT does the compiler allow for another object's definition.
    const isReplaceable = use === 'call' || use === 'got' || use.startsWith('tls-');
    return isReplaceable && isPreemptible(base, placement, name, own)
      ? importOf(base, reference, base.exported(name), false)
      : place(placement, own, own.value, reference);
  }

  const needed = base.imported(name);
  // A non-zero value of an undefined symbol is the address that stands for the function everywhere. gABI ch. 5,
  // "Function Addresses".
  if (needed !== undefined && needed.value !== 0n && base.type === 'executable') {
    return { kind: 'base', address: vaddr(needed.value), symbolType: 'function' };
  }
  if (!base.isDynamic) {
    return reference.weak
      ? refused(`${name} is weak and undefined in the static ${base.name}`, 'let the fix do without it')
      : refused(
          `${name} is not in ${base.name}, which is linked statically`,
          'let the fix use only what the program already contains, or bring the function along as its own',
        );
  }
  const imported = importOf(base, reference, needed, needed === undefined);
  const isData =
    imported.kind === 'import' &&
    (imported.import.type === 'object' || (needed === undefined && reference.isAccess === true));
  if (isData && use === 'address' && reference.isWhole !== true) {
    return refused(
      `${name} is a variable of another library, and ${base.name} has no copy of it to refer to`,
      `take its address first (typeof(${name}) *volatile p = &${name};) and use it through that, or compile the unit with -fPIC`,
    );
  }
  return imported;
}

/** The base's definition of a name that is not static in its unit, hidden ones included. */
export function hiddenOrGlobal(
  base: Base,
  placement: UnitPlacement,
  name: string,
): ElfSymbol | { readonly ambiguous: number } | undefined {
  const definitions = base.definitions(name);
  if (definitions.length > 0) return single(definitions);
  // Hidden definitions become local when linked. The unit's own is where its section is; another unit's is
  // told from static symbols by its visibility, or by standing in no file's group.
  const unitsOwn = placement.definition(name);
  const candidates = base.localDefinitions(name);
  const address = unitsOwn && placement.addressOf(unitsOwn);
  if (address !== undefined) {
    const found = candidates.find(({ value }) => value === address);
    if (found !== undefined) return found;
  }
  const hidden = candidates.filter(
    (symbol) =>
      symbol.visibility === STV_HIDDEN || symbol.visibility === STV_INTERNAL || base.isInNoFile(symbol),
  );
  return hidden.length === 0 ? undefined : single(hidden);
}

function single(symbols: readonly ElfSymbol[]): ElfSymbol | { readonly ambiguous: number } {
  const places = new Set(symbols.map(({ value }) => value));
  return places.size === 1 ? symbols[0]! : { ambiguous: places.size };
}

/**
 * Whether another object's definition may come before the base's own: gABI ch. 5, "Shared Object Dependencies". An
 * executable comes first in every scope.
 */
function isPreemptible(base: Base, placement: UnitPlacement, name: string, own: ElfSymbol): boolean {
  if (base.type === 'executable') return false;
  const exported = base.exported(name);
  if (exported === undefined || exported.visibility !== STV_DEFAULT || own.visibility !== STV_DEFAULT)
    return false;
  const { jumpSlot, globDat } = base.slots(name);
  if (jumpSlot !== undefined || globDat !== undefined) return true;
  return !base.isSymbolic && !placement.bindsDirectly(name);
}

function importOf(
  base: Base,
  { name, use, weak }: Reference,
  symbol: ElfSymbol | undefined,
  isNew: boolean,
): Resolution {
  const { jumpSlot, globDat } = base.slots(name);
  const slot =
    globDat !== undefined
      ? ({ address: hex(globDat), kind: 'glob-dat' } as const)
      : jumpSlot !== undefined
        ? ({ address: hex(jumpSlot), kind: 'jump-slot' } as const)
        : undefined;
  const known = symbol === undefined ? 'unknown' : typeOf(symbol);
  const used = use.startsWith('tls-') ? 'tls' : use === 'call' ? 'function' : 'unknown';
  return {
    kind: 'import',
    isNew,
    import: {
      name,
      ...(symbol?.version === undefined ? {} : { version: symbol.version }),
      type: known === 'unknown' ? used : known,
      weak: weak || symbol?.bind === STB_WEAK,
      ...(slot && { slot }),
    },
  };
}
