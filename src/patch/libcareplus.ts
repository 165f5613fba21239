/**
 * Files of LibcarePlus: what suture keeps in a manifest is recovered from header, symbols and records.
 */
import type { Arch } from '../arch/arch.ts';
import { hex, vaddr } from '../bytes/address.ts';
import { SHN_UNDEF, STB_LOCAL, STB_WEAK, STT_SECTION } from '../elf/constants.ts';
import { MAX_ALIGNMENT, type PatchHeader } from './layout.ts';
import { MANIFEST_FORMAT, type Manifest, type ManifestFunction, type ManifestImport } from './manifest.ts';
import { bad, type ObjectTables } from './object.ts';
import type { PatchRelocation, PatchSection, PatchSymbol } from './patch.ts';
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

/** Undefined symbols in their order, as placeSymbols numbers them. Those that nothing refers to need no definition. */
function foreignImports(tables: ObjectTables): ManifestImport[] {
  const used = new Set([...tables.relocations.values()].flatMap((all) => all.map(({ symbol }) => symbol)));
  return tables.symbols.flatMap(({ name, shndx, bind, type }, index) => {
    if (index === 0 || shndx !== SHN_UNDEF || name === '' || bind === STB_LOCAL) return [];
    const [plain, version] = name.split(/@@?/);
    return [
      {
        name: plain === undefined || plain === '' ? name : plain,
        ...(version === undefined || version === '' ? {} : { version }),
        type: symbolTypeOf(type),
        weak: bind === STB_WEAK || !used.has(index),
      },
    ];
  });
}

/**
 * The tables as an object file has them. LibcarePlus's come from a linked one: a section's symbol has the address that
 * the section had, and data begins on a page of the machine that built it, so that it can be protected by itself.
 */
export function foreignTables(tables: ObjectTables): ObjectTables {
  return {
    ...tables,
    sections: tables.sections.map((section) => ({
      ...section,
      align: Math.min(section.align, MAX_ALIGNMENT),
    })),
    symbols: tables.symbols.map((symbol) =>
      symbol.type === STT_SECTION ? { ...symbol, value: 0n } : symbol,
    ),
  };
}

/**
 * References made into what they mean. One to a thread-local variable has the address of the base's GOT slot as its
 * addend, and a symbol that says nothing; one through the GOT whose instruction takes the address itself needs no
 * GOT. Both fields end their instruction.
 */
export function foreignReferences(
  { sections, symbols }: PlacedContents,
  arch: Arch,
): { sections: PatchSection[]; symbols: PatchSymbol[] } {
  const slots: PatchSymbol[] = [];
  const slotAt = (section: string, { offset, addend }: PatchRelocation, what: string): number => {
    if (addend <= 0n) throw bad(`${what} at ${section}+${offset} names no slot`);
    const slot = { kind: 'base' as const, name: `GOT slot ${hex(addend)}`, address: vaddr(addend) };
    return symbols.length + slots.push({ ...slot, symbolType: 'object' }) - 1;
  };
  const { directGot } = arch.libcareplus;
  const placed = sections.map((section) => ({
    ...section,
    relocations: section.relocations.map((relocation) => {
      const facts = arch.relocations.get(relocation.type);
      if (facts?.reference === 'tls-gottpoff' && facts.formula === 'S+A-P') {
        return {
          offset: relocation.offset,
          type: arch.link.pcRelative32,
          symbol: slotAt(section.name, relocation, facts.name),
          addend: -BigInt(facts.size),
        };
      }
      const isOwn = symbols[relocation.symbol]?.kind !== 'import';
      const isDirect =
        facts?.reference === 'got' && isOwn && directGot?.isDirect(section.bytes, relocation.offset) === true;
      return isDirect ? { ...relocation, type: directGot.type } : relocation;
    }),
  }));
  return { sections: placed, symbols: [...symbols, ...slots] };
}
