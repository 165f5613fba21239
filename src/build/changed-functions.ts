/** The changed functions of all units of a patch, found in the base. */
import type { Base } from './base.ts';
import { type ChangedFunction, findChanged } from './changed.ts';
import type { LinkUnit } from './link-request.ts';
import type { Refusals } from './refusal.ts';
import type { UnitPlacement } from './unit-placement.ts';

export class ChangedFunctions {
  /** By unit and name of the function. */
  readonly #found = new Map<string, ChangedFunction>();

  constructor(
    base: Base,
    units: readonly LinkUnit[],
    placements: readonly UnitPlacement[],
    refusals: Refusals,
  ) {
    units.forEach((unit, i) => {
      for (const fn of unit.composed.functions) {
        if (fn.kind !== 'changed') continue;
        const found = findChanged(base, unit.name, unit.originalObject, placements[i]!, fn);
        this.#found.set(`${i} ${fn.name}`, found);
      }
    });
    // Copies of one inline function in several units are one function of the base, compiled from one of them.
    for (const [key, found] of this.#found) {
      if (found.kind !== 'refused') continue;
      const name = key.slice(key.indexOf(' ') + 1);
      const isElsewhere = units.some(
        ({ composed }, i) =>
          this.get(i, name)?.kind === 'found' &&
          composed.functions.some((fn) => fn.name === name && fn.linkage === 'weak'),
      );
      if (!isElsewhere) refusals.add(found.refusal);
    }
  }

  /** What is known of a function of the unit with this index; undefined if it is new. */
  get(unit: number, name: string): ChangedFunction | undefined {
    return this.#found.get(`${unit} ${name}`);
  }
}
