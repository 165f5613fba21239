import type { ComposedUnit } from '../asm/difference.ts';
import type { Base } from './base.ts';

/**
 * The text of a composed unit in which variables that no base defines are reached through the GOT, as far as the
 * instructions allow. A fix to an executable that uses, say, `stderr` for the first time is compiled as if the
 * executable had a copy of it; it has none. What cannot be replaced stays, and is refused when it is linked.
 * @param bases every object that the unit is linked into
 */
export function reachThroughGot({ text, references }: ComposedUnit, bases: readonly Base[]): string {
  const elsewhere = references
    .filter(({ scope, thread }) => scope === 'global' && !thread)
    .map(({ name }) => name)
    .filter((name) => bases.some((base) => !isDefinedIn(base, name)));
  const first = bases[0];
  const throughGot = first?.arch.link.throughGot;
  if (elsewhere.length === 0 || throughGot === undefined) return text;
  return text
    .split('\n')
    .map((line) => {
      for (const name of elsewhere) {
        const replaced = line.includes(name) ? throughGot(line, name) : undefined;
        if (replaced !== undefined) return replaced;
      }
      return line;
    })
    .join('\n');
}

const isDefinedIn = (base: Base, name: string): boolean =>
  base.definitions(name).length > 0 ||
  base.localDefinitions(name).length > 0 ||
  (base.imported(name)?.value ?? 0n) !== 0n;
