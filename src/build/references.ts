/** Finds what the symbols of the composed objects mean: something of the patch, of the base, or of elsewhere. */
import type { ReferenceKind, RelocationFacts } from '../arch/arch.ts';
import { SHN_UNDEF, STB_GLOBAL, STB_LOCAL, STT_SECTION } from '../elf/constants.ts';
import type { ElfSymbol } from '../elf/symbols.ts';
import type { ManifestVariable } from '../patch/manifest.ts';
import { symbolTypeOf } from '../patch/placement.ts';
import type { Base } from './base.ts';
import type { Definition, Definitions } from './definitions.ts';
import type { EarlierPatches, LinkRequest, LinkUnit } from './link-request.ts';
import type { Merged } from './merge.ts';
import { PatchSymbols } from './patch-symbols.ts';
import type { Refusals } from './refusal.ts';
import { hiddenOrGlobal, resolve } from './resolve.ts';
import type { UnitPlacement } from './unit-placement.ts';

export class References {
  readonly table: PatchSymbols;
  readonly #base: Base;
  readonly #units: readonly LinkUnit[];
  readonly #earlier: EarlierPatches | undefined;
  readonly #memo = new Map<string, number>();
  readonly #existing = new Map<string, ManifestVariable>();
  /** Imports that the base lacks. */
  readonly #added = new Set<string>();

  constructor(
    { base, units, earlier }: LinkRequest,
    readonly placements: readonly UnitPlacement[],
    readonly merged: Merged,
    readonly definitions: Definitions,
    readonly refusals: Refusals,
  ) {
    this.table = new PatchSymbols(refusals);
    this.#base = base;
    this.#units = units;
    this.#earlier = earlier;
  }

  /** Names of imports that the base does not have yet. */
  get added(): readonly string[] {
    return [...this.#added];
  }

  /** Variables of the base to which the patch refers. */
  get existing(): readonly ManifestVariable[] {
    return [...this.#existing.values()];
  }

  /** Index in `symbols` of what a symbol of a unit's object means. */
  indexOf(unit: number, symbol: ElfSymbol, facts: RelocationFacts): number {
    const { name, shndx, bind } = symbol;
    if (shndx === SHN_UNDEF) {
      if (name === '') return 0;
      const own = this.definitions.meantBy(unit, name);
      return own === undefined ? this.#referToBase(unit, symbol, facts) : this.#referToDefinition(own);
    }
    const shared = bind === STB_LOCAL ? undefined : this.definitions.shared(name);
    return this.#referToDefinition(shared ?? { unit, symbol });
  }

  #referToDefinition({ unit, symbol }: Definition): number {
    const place = this.definitions.placeOf(unit, symbol);
    if (place === undefined) {
      this.refusals.add({
        unit: this.#units[unit]!.name,
        what: `the new code refers to ${symbol.name || 'a section'} in a section that a patch cannot carry`,
        remedy: 'let the fix do without it',
      });
      return 0;
    }
    const section = this.merged.sections[place.merged]!;
    const isSection = symbol.type === STT_SECTION;
    const name = isSection ? section.name : symbol.name;
    return this.table.add(`section ${place.merged} ${place.offset} ${name}`, () => ({
      kind: 'section',
      name,
      section: place.merged,
      offset: place.offset,
      size: symbol.size,
      symbolType: symbolTypeOf(symbol.type),
    }));
  }

  #referToBase(unit: number, symbol: ElfSymbol, facts: RelocationFacts): number {
    const { name, composed } = this.#units[unit]!;
    const listed = composed.references.find((reference) => reference.name === symbol.name);
    if (symbol.name.startsWith('.L')) {
      this.refusals.add({
        unit: name,
        what: `the new code refers to ${symbol.name}, a label that was not brought along`,
        remedy: 'report this with the source file and the compiler version',
      });
      return 0;
    }
    // The assembler adds names of its own (__tls_get_addr, _GLOBAL_OFFSET_TABLE_).
    const isStatic = this.placements[unit]!.local(symbol.name) !== undefined;
    const scope = listed?.scope ?? (isStatic ? 'unit' : 'global');
    const reference = {
      name: symbol.name,
      scope,
      use: facts.reference,
      isWhole: facts.reference === 'address' && facts.size === 8 && facts.formula === 'S+A',
      isAccess: facts.reference === 'address' && facts.size < 8 && facts.formula === 'S+A-P',
      weak: (listed?.weak ?? false) || symbol.bind !== STB_GLOBAL,
    };
    // What a name means depends on the unit for static symbols, and on the use in libraries.
    const memo = `reference ${unit} ${scope} ${useClass(facts.reference)}${reference.isWhole ? ' whole' : ''}${reference.isAccess ? ' access' : ''} ${symbol.name}`;
    const known = this.#memo.get(memo);
    if (known !== undefined) return known;
    const index =
      this.#referToEarlier(unit, symbol.name, scope) ??
      this.#resolve(name, this.placements[unit]!, reference);
    this.#memo.set(memo, index);
    return index;
  }

  /** Index of what an earlier patch defines under this name; undefined if it is not of that patch. */
  #referToEarlier(unit: number, name: string, scope: 'unit' | 'global'): number | undefined {
    if (this.#earlier === undefined) return undefined;
    const { name: unitName, introduced } = this.#units[unit]!;
    const own = introduced?.get(name);
    const shared = scope === 'global' ? this.#earlier.shared.get(name) : undefined;
    const isBases = hiddenOrGlobal(this.#base, this.placements[unit]!, name) !== undefined;
    const found =
      own !== undefined ? { ...own, unit: unitName } : shared !== undefined && !isBases ? shared : undefined;
    // What is of a patch of another object is bound like that object's own.
    const manifest = this.#earlier.manifests.find(({ id }) => id === found?.patch);
    if (found === undefined || manifest === undefined) return undefined;
    const isFound = (each: { name: string; unit: string; kind: string }): boolean =>
      each.kind === 'new' && each.name === found.name && each.unit === found.unit;
    const variable = manifest.variables.find(isFound);
    const isFunction = manifest.functions.some(isFound);
    const clash = this.table.imports.some(
      ({ name: other, from }) =>
        other === found.name && (from?.unit !== found.unit || from.patch !== found.patch),
    );
    if (clash || (!isFunction && variable?.place === undefined)) {
      this.refusals.add({
        unit: unitName,
        what: clash
          ? `two things called ${found.name} are needed, one of them of the patch ${manifest.id}`
          : `the patch ${manifest.id} does not tell where its ${found.name} is`,
        where: name,
        remedy: 'build one patch for both diffs from the base’s source, and apply it with --replace',
      });
      return 0;
    }
    return this.table.addImport({
      name: found.name,
      type: isFunction ? 'function' : 'object',
      weak: false,
      from: {
        patch: manifest.id,
        unit: found.unit,
        ...(isFunction || variable === undefined ? {} : { size: variable.size }),
      },
    });
  }

  #resolve(unit: string, placement: UnitPlacement, reference: Parameters<typeof resolve>[2]): number {
    const { name } = reference;
    const found = resolve(this.#base, placement, reference);
    switch (found.kind) {
      case 'base': {
        const { address, symbolType } = found;
        if (symbolType === 'object') this.#noteExisting(unit, placement, name);
        return this.table.add(`base ${address} ${name}`, () => ({ kind: 'base', name, address, symbolType }));
      }
      case 'tls-base':
        // The block as a whole has a name too, but is no variable.
        if (placement.definition(name) !== undefined || this.#base.definitions(name).length > 0)
          this.#noteExisting(unit, placement, name);
        return this.table.add(`tls ${found.offset} ${name}`, () => ({
          kind: 'tls-base',
          name,
          offset: found.offset,
        }));
      case 'import':
        if (found.isNew && !found.import.weak) {
          this.#added.add(name);
        }
        return this.table.addImport(found.import);
      case 'refused':
        this.refusals.add({ unit, what: found.what, where: name, remedy: found.remedy });
        return 0;
      default:
        return found satisfies never;
    }
  }

  #noteExisting(unit: string, placement: UnitPlacement, name: string): void {
    const size = placement.definition(name)?.size ?? this.#base.definitions(name)[0]?.size ?? 0;
    const key = placement.local(name) === undefined ? name : `${unit} ${name}`;
    if (!this.#existing.has(key)) this.#existing.set(key, { name, kind: 'existing', unit, size });
  }
}

/** Uses that mean the same symbol: resolution tells apart only these. */
function useClass(use: ReferenceKind): string {
  if (use.startsWith('tls-')) return 'tls';
  return use === 'call' || use === 'got' ? use : 'address';
}
