/** What --function leaves out, and what it must not: callers that would go on passing what a function took before. */
import type { AsmUnit, SelectionResult } from '../asm/index.ts';
import { clonedFrom } from '../asm/stem.ts';
import type { SignatureChange } from '../dwarf/type-changes.ts';
import type { Refused } from './result.ts';

/** A changed function that stays as it was. */
export interface LeftOut {
  readonly unit: string;
  readonly name: string;
  /** Symbols that its new version refers to. */
  readonly uses: ReadonlySet<string>;
}

/** A function of the patch that takes or returns something else than before. */
export interface NewSignature extends SignatureChange {
  readonly unit: string;
  /** Static: only its own unit can refer to it. */
  readonly isLocal: boolean;
}

export function leftOutOf(unit: string, patched: AsmUnit, { leftOut }: SelectionResult): LeftOut[] {
  return leftOut.map((name) => {
    const block = patched.blockOf(patched.symbol(name));
    const uses = block === undefined ? [] : [...patched.references(block)];
    return { unit, name, uses: new Set(uses.map((symbol) => patched.symbolName(symbol))) };
  });
}

/** Refuses callers that stay as they were of functions that change what they take or return. */
export function leftWithOldSignature(
  leftOut: readonly LeftOut[],
  signatures: readonly NewSignature[],
): Refused[] {
  return leftOut.flatMap(({ unit, name, uses }) => {
    const used = new Set([...uses].map((symbol) => clonedFrom(symbol) ?? symbol));
    const change = signatures.find(
      (each) => used.has(each.function) && (!each.isLocal || each.unit === unit),
    );
    if (change === undefined) return [];
    const what = `${change.before} becomes ${change.after}, and ${name}, which uses it, is left out with what it passes now`;
    return [{ unit, what, where: name, remedy: `select ${name} too, or leave --function out` }];
  });
}
