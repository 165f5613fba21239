/**
 * Files of LibcarePlus: what suture keeps in a manifest is recovered from header, symbols and records.
 */
import type { Arch } from '../arch/arch.ts';
import { hex, vaddr } from '../bytes/address.ts';
import { SHN_UNDEF, STB_LOCAL, STB_WEAK } from '../elf/constants.ts';
import type { PatchHeader } from './layout.ts';
import { MANIFEST_FORMAT, type Manifest, type ManifestFunction, type ManifestImport } from './manifest.ts';
import { bad, type ObjectTables } from './object.ts';
import type { PatchSection, PatchSymbol } from './patch.ts';
import { type PlacedContents, symbolTypeOf } from './placement.ts';
import type { FunctionRecord } from './records.ts';

/** The suffix that its comparison gives to new bodies. */
const SUFFIX = '.kpatch';

export function foreignManifest(
  header: ReturnType<typeof PatchHeader.on>,
  tables: ObjectTables,
  placed: PlacedContents,
  records: readonly FunctionRecord[],
  arch: Arch,
): Manifest {
  if (!/^[\x21-\x7e]+$/.test(header.id)) throw bad('the header has no id');
  return {
    format: MANIFEST_FORMAT,
    id: header.id,
    description: '',
    cpu: arch.name,
    target: { buildId: header.buildId, file: '', type: 'executable' },
    functions: records.map(foreignFunction),
    variables: placed.symbols.flatMap((symbol) =>
      symbol.kind === 'section' && symbol.symbolType === 'object'
        ? [{ name: withoutSuffix(symbol.name), kind: 'new' as const, unit: '', size: symbol.size }]
        : [],
    ),
    imports: foreignImports(tables),
    requires: [],
    compiler: '',
    warnings: [],
    ...(header.builtAt > 0n && header.builtAt < 2n ** 53n ? { builtAt: Number(header.builtAt) } : {}),
  };
}

const withoutSuffix = (name: string): string =>
  name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : name;

function foreignFunction({ name, original, offset, size }: FunctionRecord): ManifestFunction {
  const common = {
    name: withoutSuffix(name),
    unit: '',
    reason: 'listed in a patch of LibcarePlus',
    replacement: { offset, size },
    replacementParts: [],
  };
  if (original === undefined) return { ...common, kind: 'new' };
  return {
    ...common,
    kind: 'changed',
    original: {
      address: hex(original.address),
      size: original.size,
      entryBytes: '',
      redirectOffset: 0,
      parts: [],
    },
  };
}

/** Undefined symbols in their order, as placeSymbols numbers them. */
function foreignImports(tables: ObjectTables): ManifestImport[] {
  return tables.symbols.flatMap(({ name, shndx, bind, type }, index) => {
    if (index === 0 || shndx !== SHN_UNDEF || name === '' || bind === STB_LOCAL) return [];
    const [plain, version] = name.split(/@@?/);
    return [
      {
        name: plain === undefined || plain === '' ? name : plain,
        ...(version === undefined || version === '' ? {} : { version }),
        type: symbolTypeOf(type),
        weak: bind === STB_WEAK,
      },
    ];
  });
}

/**
 * A reference to a thread-local variable through the base's GOT has the slot's link-time address as its addend, and a
 * symbol that says nothing. Made into what it means: a pc-relative reference to that slot, whose field ends the
 * instruction.
 */
export function placeSlots(
  { sections, symbols }: PlacedContents,
  arch: Arch,
): { sections: PatchSection[]; symbols: PatchSymbol[] } {
  const slots: PatchSymbol[] = [];
  const placed = sections.map((section) => ({
    ...section,
    relocations: section.relocations.map((relocation) => {
      const facts = arch.relocations.get(relocation.type);
      if (facts?.reference !== 'tls-gottpoff' || facts.formula !== 'S+A-P') return relocation;
      if (relocation.addend <= 0n)
        throw bad(`${facts.name} at ${section.name}+${relocation.offset} names no slot`);
      slots.push({
        kind: 'base',
        name: `GOT slot ${hex(relocation.addend)}`,
        address: vaddr(relocation.addend),
        symbolType: 'object',
      });
      return {
        offset: relocation.offset,
        type: arch.link.pcRelative32,
        symbol: symbols.length + slots.length - 1,
        addend: -BigInt(facts.size),
      };
    }),
  }));
  return { sections: placed, symbols: [...symbols, ...slots] };
}
