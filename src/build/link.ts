/** Links the composed units of one fix into one patch for one base. */
import type { ReferenceKind, RelocationFacts } from '../arch/arch.ts';
import type { ComposedFunction, ComposedUnit } from '../asm/difference.ts';
import { viewOf } from '../bytes/record.ts';
import {
  SHN_COMMON,
  SHN_LORESERVE,
  SHN_UNDEF,
  STB_GLOBAL,
  STB_LOCAL,
  STT_FILE,
  STT_SECTION,
} from '../elf/constants.ts';
import type { ElfImage } from '../elf/image.ts';
import { relocate } from '../elf/relocate.ts';
import type { ElfSymbol } from '../elf/symbols.ts';
import { SECTION } from '../patch/layout.ts';
import {
  MANIFEST_FORMAT,
  type Manifest,
  type ManifestFunction,
  type ManifestImport,
  type ManifestVariable,
} from '../patch/manifest.ts';
import { placeInPart } from '../patch/parts.ts';
import type { PatchContents, PatchRelocation, PatchSection, PatchSymbol } from '../patch/patch.ts';
import { symbolTypeOf } from '../patch/placement.ts';
import type { Base } from './base.ts';
import { type ChangedFunction, findChanged } from './changed.ts';
import { type Merged, type MergedSection, mergeSections } from './merge.ts';
import { reasonSentence } from './reason.ts';
import type { Refusal } from './refusal.ts';
import { hiddenOrGlobal, resolve } from './resolve.ts';
import { UnitPlacement } from './unit-placement.ts';

export interface LinkUnit {
  /** Source file, relative to the tree. */
  readonly name: string;
  readonly composed: ComposedUnit;
  /** The composed text, assembled. */
  readonly object: ElfImage;
  /** The whole original unit, assembled with the same command. */
  readonly originalObject: ElfImage;
  /** What an earlier patch added to the unit: its name there, by name here. */
  readonly introduced?: ReadonlyMap<string, string>;
}

/** A patch of the same base that is applied already when this one comes. */
export interface EarlierPatch {
  readonly manifest: Manifest;
  /** What it added and every unit can name: the unit that defines it. */
  readonly shared: ReadonlyMap<string, { readonly unit: string; readonly name: string }>;
}

export interface LinkRequest {
  readonly base: Base;
  readonly units: readonly LinkUnit[];
  readonly id: string;
  readonly description: string;
  /** File name of the base, without folder. */
  readonly file: string;
  readonly compiler: string;
  readonly earlier?: EarlierPatch;
  readonly warnings?: readonly string[];
  /** Seconds since 1970. */
  readonly builtAt?: number;
}

export type LinkResult =
  | { readonly kind: 'linked'; readonly contents: PatchContents; readonly warnings: readonly string[] }
  | { readonly kind: 'refused'; readonly refusals: readonly Refusal[] };

/**
 * Everything that the patch needs of the base is found here; what it imports is found when it is applied.
 * @throws SutureError BAD_FORMAT when an object file or the base is damaged
 */
export function linkPatch(request: LinkRequest): LinkResult {
  const linker = new Linker(request);
  linker.findOriginals();
  linker.collectDefinitions();
  const sections = linker.linkSections();
  const functions = linker.describeFunctions();
  if (functions.every(({ original }) => original === undefined) && linker.refusals.length === 0) {
    linker.refuse({
      unit: undefined,
      what: `none of the changed functions is in ${request.base.name}`,
      remedy: 'the fix changes nothing in this object; restart is not needed for it',
    });
  }
  if (linker.refusals.length > 0) return { kind: 'refused', refusals: linker.refusals };
  const { base } = request;
  const warnings = [...(request.warnings ?? []), ...linker.warnings, ...linker.warningOfAdded()];
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    id: request.id,
    description: request.description,
    cpu: base.arch.name,
    target: { buildId: base.buildId, file: request.file, type: base.type },
    functions,
    variables: linker.describeVariables(),
    imports: linker.imports,
    requires: request.earlier === undefined ? [] : [request.earlier.manifest.id],
    compiler: request.compiler,
    warnings,
    ...(request.builtAt === undefined ? {} : { builtAt: request.builtAt }),
  };
  const contents = {
    manifest,
    arch: base.arch,
    sections,
    symbols: linker.symbols,
    baseSections: base.sections,
  };
  return { kind: 'linked', contents, warnings };
}

/** A definition in one unit's object. */
interface Definition {
  readonly unit: number;
  readonly symbol: ElfSymbol;
}

class Linker {
  readonly refusals: Refusal[] = [];
  readonly warnings: string[] = [];
  readonly symbols: PatchSymbol[] = [{ kind: 'none', name: '' }];
  readonly imports: ManifestImport[] = [];
  readonly #base: Base;
  readonly #units: readonly LinkUnit[];
  readonly #earlier: EarlierPatch | undefined;
  readonly #placements: readonly UnitPlacement[];
  readonly #merged: Merged;
  /** By unit and name of the function. */
  readonly #changed = new Map<string, ChangedFunction>();
  /** Names that the patch defines for all units: new ones, and changed functions that the base lacks. */
  readonly #definitions = new Map<string, Definition>();
  /** Static changed functions that the base lacks, by unit and name. */
  readonly #ownDefinitions = new Map<string, Definition>();
  readonly #symbolIndex = new Map<string, number>();
  readonly #existing = new Map<string, ManifestVariable>();
  readonly #said = new Set<string>();
  /** Imports that the base lacks. */
  readonly #added = new Set<string>();

  constructor({ base, units, earlier }: LinkRequest) {
    this.#base = base;
    this.#earlier = earlier;
    this.#units = units;
    this.#placements = units.map(({ originalObject }) => UnitPlacement.find(base, originalObject));
    this.#merged = mergeSections(units, (refusal) => this.refuse(refusal));
    units.forEach(({ name }, i) => {
      const contradiction = this.#placements[i]!.contradictions[0];
      if (contradiction === undefined) return;
      this.refuse({
        unit: name,
        what: `${base.name} was not linked from what ${name} compiles to: ${contradiction.section} would lie at two places, by ${contradiction.because}`,
        remedy:
          'build the base again from the recorded source with the recorded flags, and record that build',
      });
    });
  }

  refuse(refusal: Refusal): void {
    const key = `${refusal.unit} ${refusal.what}`;
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.refusals.push(refusal);
  }

  findOriginals(): void {
    this.#units.forEach((unit, i) => {
      for (const fn of unit.composed.functions) {
        if (fn.kind !== 'changed') continue;
        const found = findChanged(this.#base, unit.name, unit.originalObject, this.#placements[i]!, fn);
        this.#changed.set(`${i} ${fn.name}`, found);
      }
    });
    // Copies of one inline function in several units are one function of the base, compiled from one of them.
    const refused = [...this.#changed].filter(([, found]) => found.kind === 'refused');
    for (const [key, found] of refused) {
      if (found.kind !== 'refused') continue;
      const name = key.slice(key.indexOf(' ') + 1);
      const isElsewhere = this.#units.some(
        ({ composed }, i) =>
          this.#changed.get(`${i} ${name}`)?.kind === 'found' &&
          composed.functions.some((fn) => fn.name === name && fn.linkage === 'weak'),
      );
      if (!isElsewhere) this.refuse(found.refusal);
    }
  }

  collectDefinitions(): void {
    this.#units.forEach(({ object, composed, name: unitName }, unit) => {
      for (const symbol of object.symbols) {
        const { name, bind, shndx } = symbol;
        if (bind === STB_LOCAL || shndx === SHN_UNDEF || name === '') continue;
        if (shndx === SHN_COMMON) {
          this.refuse({
            unit: unitName,
            what: `the fix adds the common variable ${name}`,
            remedy: 'give the variable an initial value, or compile with -fno-common',
          });
        }
        const known = this.#definitions.get(name);
        if (known === undefined || (known.symbol.bind !== STB_GLOBAL && bind === STB_GLOBAL)) {
          this.#definitions.set(name, { unit, symbol });
        } else if (known.symbol.bind === STB_GLOBAL && bind === STB_GLOBAL) {
          this.refuse({
            unit: unitName,
            what: `${name} is defined in ${this.#units[known.unit]!.name} and in ${unitName}`,
            remedy: 'rename one of them',
          });
        }
      }
      for (const fn of composed.functions) {
        if (this.#changed.get(`${unit} ${fn.name}`)?.kind !== 'absent') continue;
        const symbol = this.#label(unit, fn.label);
        if (symbol === undefined) continue;
        // Nothing to redirect: whoever in the patch calls it gets the new body at once.
        if (fn.linkage === 'local') this.#ownDefinitions.set(`${unit} ${fn.name}`, { unit, symbol });
        else if (!this.#definitions.has(fn.name)) this.#definitions.set(fn.name, { unit, symbol });
      }
    });
  }

  #label(unit: number, label: string): ElfSymbol | undefined {
    return this.#units[unit]!.object.symbols.named(label).find(
      ({ shndx }) => shndx !== SHN_UNDEF && shndx < SHN_LORESERVE,
    );
  }

  linkSections(): PatchSection[] {
    return this.#merged.sections.map((section) => this.#linkSection(section));
  }

  #linkSection(section: MergedSection): PatchSection {
    const relocations: PatchRelocation[] = [];
    const bytes = section.bytes;
    for (const part of section.parts) {
      const { object, name } = this.#units[part.unit]!;
      for (const { offset, type, symbolIndex, addend } of object.relocations(part.section)) {
        const facts = this.#base.arch.relocations.get(type);
        if (facts === undefined) {
          this.refuse({
            unit: name,
            what: `the new code has a relocation of type ${type}, which is not known on ${this.#base.arch.name}`,
            remedy: 'report this with the compiler version',
          });
          continue;
        }
        if (facts.reference === 'none') {
          if (facts.formula !== 'none')
            relocations.push({ offset: part.start + offset, type, symbol: 0, addend });
          continue;
        }
        const symbol = this.#referTo(part.unit, object.symbols.at(symbolIndex), facts);
        if (this.#fillThreadOffset(bytes, part.start + offset, symbol, facts, addend)) continue;
        relocations.push({ offset: part.start + offset, type, symbol, addend });
      }
    }
    const { name, kind, size, align } = section;
    return { name, kind, bytes, size, align, relocations };
  }

  /** Offsets of the base's own thread-local variables are the same in every process, if the base is executable. */
  #fillThreadOffset(
    bytes: Uint8Array,
    at: number,
    index: number,
    facts: RelocationFacts,
    addend: bigint,
  ): boolean {
    const symbol = this.symbols[index];
    const storage = this.#base.threadStorage;
    if (symbol?.kind !== 'tls-base' || storage === undefined) return false;
    if (facts.reference !== 'tls-tpoff' || facts.formula !== 'S+A' || this.#base.type !== 'executable')
      return false;
    const value = this.#base.arch.link.threadPointerOffset(storage, symbol.offset);
    return relocate(viewOf(bytes), at, facts, { value, addend, place: 0n, got: 0n });
  }

  /** Index in `symbols` of what a symbol of a unit's object means. */
  #referTo(unit: number, symbol: ElfSymbol, facts: RelocationFacts): number {
    const { name, shndx, bind } = symbol;
    if (shndx === SHN_UNDEF) {
      if (name === '') return 0;
      const own = this.#ownDefinitions.get(`${unit} ${name}`) ?? this.#definitions.get(name);
      return own === undefined ? this.#referToBase(unit, symbol, facts) : this.#referToDefinition(own);
    }
    const shared = bind === STB_LOCAL ? undefined : this.#definitions.get(name);
    return this.#referToDefinition(shared ?? { unit, symbol });
  }

  #referToDefinition({ unit, symbol }: Definition): number {
    const place = this.#placeOf(unit, symbol);
    if (place === undefined) {
      this.refuse({
        unit: this.#units[unit]!.name,
        what: `the new code refers to ${symbol.name || 'a section'} in a section that a patch cannot carry`,
        remedy: 'let the fix do without it',
      });
      return 0;
    }
    const section = this.#merged.sections[place.merged]!;
    const isSection = symbol.type === STT_SECTION;
    const name = isSection ? section.name : symbol.name;
    return this.#symbol(`section ${place.merged} ${place.offset} ${name}`, () => ({
      kind: 'section',
      name,
      section: place.merged,
      offset: place.offset,
      size: symbol.size,
      symbolType: symbolTypeOf(symbol.type),
    }));
  }

  #placeOf(unit: number, symbol: ElfSymbol): { merged: number; offset: number } | undefined {
    const part = this.#merged.partOf(unit, symbol.shndx);
    return part && { merged: part.merged, offset: part.start + Number(symbol.value) };
  }

  #referToBase(unit: number, symbol: ElfSymbol, facts: RelocationFacts): number {
    const { name, composed } = this.#units[unit]!;
    const listed = composed.references.find((reference) => reference.name === symbol.name);
    if (symbol.name.startsWith('.L')) {
      this.refuse({
        unit: name,
        what: `the new code refers to ${symbol.name}, a label that was not brought along`,
        remedy: 'report this with the source file and the compiler version',
      });
      return 0;
    }
    // The assembler adds names of its own (__tls_get_addr, _GLOBAL_OFFSET_TABLE_).
    const isStatic = this.#placements[unit]!.local(symbol.name) !== undefined;
    const scope = listed?.scope ?? (isStatic ? 'unit' : 'global');
    const reference = {
      name: symbol.name,
      scope,
      use: facts.reference,
      isWhole: facts.reference === 'address' && facts.size === 8 && facts.formula === 'S+A',
      weak: (listed?.weak ?? false) || symbol.bind !== STB_GLOBAL,
    };
    // What a name means depends on the unit for static symbols, and on the use in libraries.
    const memo = `reference ${unit} ${scope} ${useClass(facts.reference)}${reference.isWhole ? ' whole' : ''} ${symbol.name}`;
    const known = this.#symbolIndex.get(memo);
    if (known !== undefined) return known;
    const index =
      this.#referToEarlier(unit, symbol.name, scope) ??
      this.#resolve(name, this.#placements[unit]!, reference);
    this.#symbolIndex.set(memo, index);
    return index;
  }

  /** Index of what an earlier patch defines under this name; undefined if it is not of that patch. */
  #referToEarlier(unit: number, name: string, scope: 'unit' | 'global'): number | undefined {
    if (this.#earlier === undefined) return undefined;
    const { name: unitName, introduced } = this.#units[unit]!;
    const own = introduced?.get(name);
    const shared = scope === 'global' ? this.#earlier.shared.get(name) : undefined;
    const isBases = hiddenOrGlobal(this.#base, this.#placements[unit]!, name) !== undefined;
    const found =
      own !== undefined
        ? { unit: unitName, name: own }
        : shared !== undefined && !isBases
          ? shared
          : undefined;
    if (found === undefined) return undefined;
    const { manifest } = this.#earlier;
    const isFound = (each: { name: string; unit: string; kind: string }): boolean =>
      each.kind === 'new' && each.name === found.name && each.unit === found.unit;
    const variable = manifest.variables.find(isFound);
    const isFunction = manifest.functions.some(isFound);
    const clash = this.imports.some(
      (other) => other.name === found.name && (other.from?.unit !== found.unit || other.from === undefined),
    );
    if (clash || (!isFunction && variable?.place === undefined)) {
      this.refuse({
        unit: unitName,
        what: clash
          ? `two things called ${found.name} are needed, one of them of the patch ${manifest.id}`
          : `the patch ${manifest.id} does not tell where its ${found.name} is`,
        where: name,
        remedy: 'build one patch for both diffs from the base’s source, and apply it with --replace',
      });
      return 0;
    }
    return this.#import({
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
        return this.#symbol(`base ${address} ${name}`, () => ({ kind: 'base', name, address, symbolType }));
      }
      case 'tls-base':
        this.#noteExisting(unit, placement, name);
        return this.#symbol(`tls ${found.offset} ${name}`, () => ({
          kind: 'tls-base',
          name,
          offset: found.offset,
        }));
      case 'import':
        if (found.isNew && !found.import.weak) {
          this.#added.add(name);
        }
        return this.#import(found.import);
      case 'refused':
        this.refuse({ unit, what: found.what, where: name, remedy: found.remedy });
        return 0;
      default:
        return found satisfies never;
    }
  }

  #import(wanted: ManifestImport): number {
    const index = this.imports.findIndex(({ name }) => name === wanted.name);
    if (this.imports[index]?.from !== undefined && wanted.from === undefined) {
      this.refuse({
        unit: undefined,
        what: `two things called ${wanted.name} are needed, one of them of an earlier patch`,
        remedy: 'build one patch for both diffs from the base’s source, and apply it with --replace',
      });
    }
    const known = this.imports[index];
    if (known === undefined) this.imports.push(wanted);
    // One use may tell more than another: a call says that it is a function.
    else if (known.type === 'unknown') this.imports[index] = { ...known, type: wanted.type };
    const importIndex = known === undefined ? this.imports.length - 1 : index;
    return this.#symbol(`import ${importIndex}`, () => ({ kind: 'import', name: wanted.name, importIndex }));
  }

  warningOfAdded(): string[] {
    if (this.#added.size === 0) return [];
    const names = [...this.#added].join(', ');
    return [
      `${fileNameOf(this.#base)} does not use yet: ${names}; whether a process has them is seen when the patch is applied`,
    ];
  }

  #symbol(key: string, make: () => PatchSymbol): number {
    const known = this.#symbolIndex.get(key);
    if (known !== undefined) return known;
    const index = this.symbols.push(make()) - 1;
    this.#symbolIndex.set(key, index);
    return index;
  }

  #noteExisting(unit: string, placement: UnitPlacement, name: string): void {
    const size = placement.definition(name)?.size ?? this.#base.definitions(name)[0]?.size ?? 0;
    const key = placement.local(name) === undefined ? name : `${unit} ${name}`;
    if (!this.#existing.has(key)) this.#existing.set(key, { name, kind: 'existing', unit, size });
  }

  describeFunctions(): ManifestFunction[] {
    const functions: ManifestFunction[] = [];
    const taken = new Set<string>();
    this.#units.forEach(({ composed, name: unitName }, unit) => {
      for (const fn of composed.functions) {
        const described = this.#describeFunction(unit, unitName, fn);
        if (described === undefined) continue;
        // An alias, or another unit's copy of the same inline function.
        const key = described.original?.address ?? `new ${described.replacement.offset}`;
        if (taken.has(key)) continue;
        taken.add(key);
        functions.push(described);
      }
    });
    return functions;
  }

  #describeFunction(unit: number, unitName: string, fn: ComposedFunction): ManifestFunction | undefined {
    const found = this.#changed.get(`${unit} ${fn.name}`);
    if (found?.kind === 'refused') return undefined;
    const symbol = this.#label(unit, fn.label);
    const replacement = symbol && this.#range(unit, symbol);
    if (replacement === undefined) {
      this.refuse({
        unit: unitName,
        what: `the new code of ${fn.name} (${fn.label}) is not in ${SECTION.text}`,
        remedy: 'report this with the source file and the compiler version',
      });
      return undefined;
    }
    // A new symbol whose definition another unit gives is dead code here.
    if (fn.kind === 'new' && fn.linkage !== 'local') {
      const chosen = this.#definitions.get(fn.label);
      if (chosen !== undefined && chosen.unit !== unit) return undefined;
    }
    if (found?.kind === 'found' && found.warning !== undefined) this.warnings.push(found.warning);
    const isReplaced = found?.kind === 'found';
    if (found?.kind === 'absent') {
      this.warnings.push(`${fn.name} is not in ${fileNameOf(this.#base)}: nothing calls the old one there`);
    }
    return {
      name: fn.name,
      kind: isReplaced ? 'changed' : 'new',
      unit: unitName,
      reason: reasonSentence(fn.reasons),
      ...(isReplaced ? { original: found.original } : {}),
      replacement,
      replacementParts: fn.parts.flatMap((label) => {
        const part = this.#label(unit, label);
        const range = part && this.#range(unit, part);
        return range === undefined ? [] : [range];
      }),
    };
  }

  /** Where a function of a unit's object lies in the merged text. */
  #range(unit: number, symbol: ElfSymbol): { offset: number; size: number } | undefined {
    const place = this.#placeOf(unit, symbol);
    if (place === undefined || symbol.size === 0) return undefined;
    if (this.#merged.sections[place.merged]!.name !== SECTION.text) return undefined;
    return { offset: place.offset, size: symbol.size };
  }

  describeVariables(): ManifestVariable[] {
    const added = this.#units.flatMap(({ composed, name: unit, object }, index): ManifestVariable[] =>
      composed.newVariables.map((name) => {
        const symbol = object.symbols.named(name).find(({ type }) => type !== STT_FILE);
        const at = symbol && this.#placeOf(index, symbol);
        const place = at && placeInPart(this.#merged.sections, at.merged, at.offset);
        return { name, kind: 'new', unit, size: symbol?.size ?? 0, ...(place && { place }) };
      }),
    );
    return [...added, ...this.#existing.values()];
  }
}

/** Uses that mean the same symbol: resolution tells apart only these. */
function useClass(use: ReferenceKind): string {
  if (use.startsWith('tls-')) return 'tls';
  return use === 'call' || use === 'got' ? use : 'address';
}

/** For texts that travel with the patch: two builds in different folders give the same bytes. */
const fileNameOf = ({ name }: Base): string => name.slice(name.lastIndexOf('/') + 1);
