/** The functions that a fix changes, found in the base and compared with what the base runs. */
import type { ComposedFunction } from '../asm/difference.ts';
import { hex, type Vaddr } from '../bytes/address.ts';
import { STB_GLOBAL, STB_WEAK } from '../elf/constants.ts';
import type { ElfImage } from '../elf/image.ts';
import type { ElfSymbol } from '../elf/symbols.ts';
import type { ManifestFunction } from '../patch/manifest.ts';
import type { Base } from './base.ts';
import { describeOriginal } from './original.ts';
import type { Refusal } from './refusal.ts';
import { hiddenOrGlobal } from './resolve.ts';
import type { UnitPlacement } from './unit-placement.ts';

export type ChangedFunction =
  | {
      readonly kind: 'found';
      readonly address: Vaddr;
      readonly original: NonNullable<ManifestFunction['original']>;
      readonly warning?: string;
    }
  /** The base has no such function: it was inlined everywhere, or the linker left it out. */
  | { readonly kind: 'absent' }
  /** The base runs another unit's definition in the place of this weak one. */
  | { readonly kind: 'overridden' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

const REBUILD =
  'build the base again from the recorded source with the recorded flags, and restart the program from that build';

export function findChanged(
  base: Base,
  unit: string,
  originalObject: ElfImage,
  placement: UnitPlacement,
  fn: ComposedFunction,
): ChangedFunction {
  const refuse = (what: string, remedy: string): ChangedFunction => ({
    kind: 'refused',
    refusal: { unit, what, where: fn.name, remedy },
  });
  const symbol = placement.definition(fn.name);
  if (symbol === undefined) {
    return refuse(`${fn.name} is not in the object that the original ${unit} compiles to`, REBUILD);
  }
  const linked = locate(base, placement, fn, symbol);
  if (linked === undefined) return { kind: 'absent' };
  if ('ambiguous' in linked) {
    return refuse(
      `${fn.name} could be any of ${linked.ambiguous} functions of ${base.name}`,
      'link the base with a complete symbol table',
    );
  }
  const { address } = linked;
  if (symbol.bind === STB_WEAK && linked.bind === STB_GLOBAL) return { kind: 'overridden' };

  const differences = [
    { name: fn.name, offset: placement.codeDifference(symbol, address), address },
    ...partsOf(placement, fn).map((part) => ({
      name: part.symbol.name,
      offset: part.address === undefined ? 0 : placement.codeDifference(part.symbol, part.address),
      address: part.address,
    })),
  ];
  for (const { name, offset, address: at } of differences) {
    if (offset === undefined) continue;
    const where =
      at === undefined
        ? 'nowhere to be found'
        : `different from byte ${offset} on (${hex(at + BigInt(offset))})`;
    return refuse(`${name} in ${base.name} is not what its source compiles to: it is ${where}`, REBUILD);
  }
  if (linked.size !== undefined && linked.size !== symbol.size) {
    return refuse(
      `${fn.name} has ${linked.size} bytes in ${base.name} and compiles to ${symbol.size}`,
      REBUILD,
    );
  }
  const folded = foldedWith(base, originalObject, symbol, address);
  if (folded !== undefined) {
    return refuse(
      `${fn.name} shares its code with ${folded} in ${base.name}: the linker found them identical`,
      'link the base without identical code folding (--icf=none)',
    );
  }
  const parts = partsOf(placement, fn).map((part) => ({ symbol: part.symbol, address: part.address! }));
  const result = describeOriginal(base, fn.name, address, symbol.size, parts);
  if (result.kind === 'refused') return refuse(result.what, result.remedy);
  const { original, warning } = result;
  return { kind: 'found', address, original, ...(warning === undefined ? {} : { warning }) };
}

function partsOf(
  placement: UnitPlacement,
  { originalParts }: ComposedFunction,
): { readonly symbol: ElfSymbol; readonly address: Vaddr | undefined }[] {
  return originalParts.flatMap((name) => {
    const symbol = placement.definition(name);
    return symbol === undefined || symbol.size === 0
      ? []
      : [{ symbol, address: placement.addressOf(symbol) }];
  });
}

/** Where the base has the function; its size when the base's symbol table tells. */
function locate(
  base: Base,
  placement: UnitPlacement,
  fn: ComposedFunction,
  symbol: ElfSymbol,
):
  | { readonly address: Vaddr; readonly size?: number; readonly bind?: number }
  | { readonly ambiguous: number }
  | undefined {
  if (fn.linkage !== 'local') {
    const linked = hiddenOrGlobal(base, placement, fn.name);
    if (linked !== undefined) {
      return 'ambiguous' in linked ? linked : { address: linked.value, size: linked.size, bind: linked.bind };
    }
  }
  const address = placement.addressOf(symbol);
  if (address !== undefined) return { address };
  return placement.candidates.length > 1 ? { ambiguous: placement.candidates.length } : undefined;
}

/** Another function of the base at the same address that is not an alias in the source. */
function foldedWith(base: Base, object: ElfImage, symbol: ElfSymbol, address: Vaddr): string | undefined {
  const plain = (name: string): string => name.replace(/@.*/, '');
  const names = base.functionsAt(address).map(({ name }) => plain(name));
  if (names.every((name) => name === symbol.name)) return undefined;
  const aliases = new Set<string>();
  for (const { name, shndx, value } of object.symbols) {
    if (shndx === symbol.shndx && value === symbol.value) aliases.add(plain(name));
  }
  return names.find((name) => !aliases.has(name));
}
