/** What the composed units define: for each other, and where it lies in the merged sections. */
import { SHN_COMMON, SHN_LORESERVE, SHN_UNDEF, STB_GLOBAL, STB_LOCAL } from '../elf/constants.ts';
import type { ElfSymbol } from '../elf/symbols.ts';
import { SECTION } from '../patch/layout.ts';
import type { ChangedFunctions } from './changed-functions.ts';
import type { LinkUnit } from './link-request.ts';
import type { Merged } from './merge.ts';
import type { Refusals } from './refusal.ts';

/** A definition in one unit's object. */
export interface Definition {
  /** Index of the unit. */
  readonly unit: number;
  readonly symbol: ElfSymbol;
}

export class Definitions {
  /** Names that the patch defines for all units: new ones, and changed functions that the base lacks. */
  readonly #shared = new Map<string, Definition>();
  /** Static changed functions that the base lacks, by unit and name. */
  readonly #own = new Map<string, Definition>();
  readonly #units: readonly LinkUnit[];
  readonly #merged: Merged;

  constructor(units: readonly LinkUnit[], merged: Merged, changed: ChangedFunctions, refusals: Refusals) {
    this.#units = units;
    this.#merged = merged;
    units.forEach((_, unit) => {
      this.#collectExternal(unit, refusals);
      this.#collectAbsent(unit, changed);
    });
  }

  /** What the name means in every unit. */
  shared(name: string): Definition | undefined {
    return this.#shared.get(name);
  }

  /** What an undefined symbol of one unit's object means, if the patch defines it. */
  meantBy(unit: number, name: string): Definition | undefined {
    return this.#own.get(`${unit} ${name}`) ?? this.#shared.get(name);
  }

  /** A label of the unit's composed text. */
  label(unit: number, label: string): ElfSymbol | undefined {
    return this.#units[unit]!.object.symbols.named(label).find(
      ({ shndx }) => shndx !== SHN_UNDEF && shndx < SHN_LORESERVE,
    );
  }

  /** Merged section, and offset in it. */
  placeOf(unit: number, symbol: ElfSymbol): { merged: number; offset: number } | undefined {
    const part = this.#merged.partOf(unit, symbol.shndx);
    return part && { merged: part.merged, offset: part.start + Number(symbol.value) };
  }

  /** Where a function of a unit's object lies in the merged text. */
  range(unit: number, symbol: ElfSymbol): { offset: number; size: number } | undefined {
    const place = this.placeOf(unit, symbol);
    if (place === undefined || symbol.size === 0) return undefined;
    if (this.#merged.sections[place.merged]!.name !== SECTION.text) return undefined;
    return { offset: place.offset, size: symbol.size };
  }

  #collectExternal(unit: number, refusals: Refusals): void {
    const { object, name: unitName } = this.#units[unit]!;
    for (const symbol of object.symbols) {
      const { name, bind, shndx } = symbol;
      if (bind === STB_LOCAL || shndx === SHN_UNDEF || name === '') continue;
      if (shndx === SHN_COMMON) {
        refusals.add({
          unit: unitName,
          what: `the fix adds the common variable ${name}`,
          remedy: 'give the variable an initial value, or compile with -fno-common',
        });
      }
      const known = this.#shared.get(name);
      if (known === undefined || (known.symbol.bind !== STB_GLOBAL && bind === STB_GLOBAL)) {
        this.#shared.set(name, { unit, symbol });
      } else if (known.symbol.bind === STB_GLOBAL && bind === STB_GLOBAL) {
        refusals.add({
          unit: unitName,
          what: `${name} is defined in ${this.#units[known.unit]!.name} and in ${unitName}`,
          remedy: 'rename one of them',
        });
      }
    }
  }

  /** Nothing to redirect: whoever in the patch calls such a function gets the new body at once. */
  #collectAbsent(unit: number, changed: ChangedFunctions): void {
    for (const fn of this.#units[unit]!.composed.functions) {
      if (changed.get(unit, fn.name)?.kind !== 'absent') continue;
      const symbol = this.label(unit, fn.label);
      if (symbol === undefined) continue;
      if (fn.linkage === 'local') this.#own.set(`${unit} ${fn.name}`, { unit, symbol });
      else if (!this.#shared.has(fn.name)) this.#shared.set(fn.name, { unit, symbol });
    }
  }
}
