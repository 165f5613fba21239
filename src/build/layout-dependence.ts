/**
 * Code that reaches one variable from the address of another says in its text nothing of which variable it means, and is
 * other code as soon as any variable of the unit is added. Such code is compiled a second time with the option that
 * forbids it: it does the same, and names what it uses.
 */
import { arches } from '../arch/index.ts';

const ways = arches.flatMap(({ assembly }) => assembly.layoutDependence);

/** Options of the compiler against the ways that the text shows, without those of `already`. */
export const optionsAgainst = (text: Buffer, already: readonly string[]): string[] =>
  ways
    .filter(({ sign, option }) => !already.includes(option) && text.includes(sign))
    .map(({ option }) => option);
