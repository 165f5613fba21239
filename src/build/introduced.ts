/** What earlier patches added to a unit, followed through the versions of its source by its changing names. */
import type { AsmUnit, ComposedUnit, UnitDifference } from '../asm/index.ts';

/** A function or variable that an earlier patch defines. */
export interface IntroducedName {
  /** Id of the patch. */
  readonly patch: string;
  /** In the manifest of that patch. */
  readonly name: string;
}

/** By name in the version of the unit that has all fixes so far. */
export interface Introduced {
  readonly names: ReadonlyMap<string, IntroducedName>;
  /** Names that other units can refer to. */
  readonly shared: ReadonlySet<string>;
}

export const NOTHING_INTRODUCED: Introduced = { names: new Map(), shared: new Set() };

/** One earlier fix: what it makes of a unit. */
export interface Link {
  readonly id: string;
  readonly before: AsmUnit;
  readonly after: AsmUnit;
  readonly difference: UnitDifference;
  readonly composed: ComposedUnit;
}

/** What was there before the link and is still there, under the names of now, and what the link adds. */
export function introducedUpTo(
  known: Introduced,
  { id, before, after, difference, composed }: Link,
): Introduced {
  const names = new Map<string, IntroducedName>();
  for (const [name, introduced] of known.names) {
    const symbol = before.symbol(name);
    const counterpart = symbol < 0 ? -1 : difference.pairing.toPatched[symbol]!;
    if (counterpart >= 0) names.set(after.symbolName(counterpart), introduced);
  }
  for (const { name, kind } of composed.functions) if (kind === 'new') names.set(name, { patch: id, name });
  for (const label of composed.newVariables) {
    const plain = label.replace(/\.kpatch$/, '');
    const name = plain !== label && before.symbol(plain) >= 0 ? plain : label;
    if (after.symbol(name) >= 0) names.set(name, { patch: id, name: label });
  }
  const shared = [...names.keys()].filter((name) => after.linkage(after.symbol(name)) !== 'local');
  return { names, shared: new Set(shared) };
}
