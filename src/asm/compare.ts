/** Compares the two versions of a unit: which functions and variables a patch must replace, add, or cannot. */
import { compareOthers } from './compare-others.ts';
import { compareVariables } from './compare-variables.ts';
import type { FunctionDifference, Reason, UnitDifference } from './difference.ts';
import { ContentWalk, type Match } from './match.ts';
import { type Pairing, pairKey, pairUnits } from './pair.ts';
import { clonedFrom } from './stem.ts';
import type { AsmUnit, Block } from './unit.ts';
import { Users } from './users.ts';

/** The original and the patched unit with what is known about their symbols. */
export interface Comparison {
  readonly original: AsmUnit;
  readonly patched: AsmUnit;
  readonly pairing: Pairing;
  readonly originalUsers: Users;
  readonly patchedUsers: Users;
}

/**
 * The difference between two versions of a unit, compiled by the same command. If all of its functions are replaced,
 * every function of the process has exactly the code that the compiler made for the patched source; what one function
 * was allowed to assume about another (registers that a callee leaves alone, value ranges, purity) then holds.
 */
export function compareUnits(original: AsmUnit, patched: AsmUnit): UnitDifference {
  const pairing = pairUnits(original, patched);
  const comparison: Comparison = {
    original,
    patched,
    pairing,
    originalUsers: new Users(original),
    patchedUsers: new Users(patched),
  };
  const functions = compareFunctions(comparison);
  return {
    functions,
    variables: compareVariables(comparison, functions),
    other: compareOthers(comparison, functions),
    pairing,
  };
}

/** Functions that count: roots with a symbol, and not written in asm at file scope. */
export function* functionsOf(unit: AsmUnit): Generator<{ block: Block; symbol: number; name: string }> {
  for (const block of unit.parts.blocks) {
    if (block.kind !== 'function' || block.part > 0 || block.fileScopeAsm) continue;
    const symbol = unit.blockSymbol(block);
    if (symbol >= 0) yield { block, symbol, name: unit.symbolName(symbol) };
  }
}

function compareFunctions(comparison: Comparison): FunctionDifference[] {
  const { original, patched, pairing } = comparison;
  const found: FunctionDifference[] = [];
  for (const { block, symbol, name } of functionsOf(patched)) {
    const counterpart = pairing.toOriginal[symbol]!;
    const before = counterpart < 0 ? undefined : original.blockOf(counterpart);
    if (before?.kind !== 'function') {
      const of = clonedFrom(name);
      const reasons: Reason[] = [of === undefined ? { kind: 'new' } : { kind: 'clone', of }];
      found.push({ kind: 'new', name, linkage: patched.linkage(symbol), reasons });
      continue;
    }
    const key = pairKey(before.id, block.id);
    if (!pairing.unequal.has(key)) continue;
    const originalName = original.symbolName(counterpart);
    found.push({
      kind: 'changed',
      name: originalName,
      ...(originalName === name ? {} : { patchedName: name }),
      linkage: original.linkage(counterpart),
      reasons: [reasonOf(comparison, key)],
    });
  }
  for (const { symbol, name } of functionsOf(original)) {
    if (pairing.toPatched[symbol]! >= 0) continue;
    found.push({ kind: 'removed', name, linkage: original.linkage(symbol), reasons: [{ kind: 'removed' }] });
  }
  return found;
}

function reasonOf(comparison: Comparison, key: number): Reason {
  const { original, patched, pairing } = comparison;
  const why = pairing.unequal.get(key)!;
  const match = pairing.matches.get(key)!;
  switch (why.kind) {
    case 'identity':
      return {
        kind: 'reference',
        original: original.symbolName(why.original),
        patched: patched.symbolName(why.patched),
      };
    case 'content': {
      const block = original.parts.blocks[why.original]!;
      if (block.section.use === 'exceptions') return { kind: 'exceptions' };
      const symbol = original.blockSymbol(block);
      if (symbol >= 0) return { kind: 'data', symbol: original.symbolName(symbol) };
      const inner = pairing.matches.get(pairKey(why.original, why.patched))!;
      return {
        kind: 'data',
        symbol: original.symbolName(block.labels[0] ?? 0),
        firstDifference: difference(comparison, inner.differsAt),
      };
    }
    case 'text':
      return { kind: 'code', firstDifference: difference(comparison, visibleDifference(comparison, match)) };
  }
}

/** Where the texts first differ for a reader. Where only a label has moved, that is later than the first difference. */
function visibleDifference(
  { original, patched }: Comparison,
  match: Match,
): readonly [number, number] | undefined {
  const left = new ContentWalk(original, match.original);
  const right = new ContentWalk(patched, match.patched);
  for (;;) {
    const a = left.next();
    const b = right.next();
    if (a < 0 && b < 0) return match.differsAt;
    if (a < 0 || b < 0) return [a, b];
    if (withoutLabels(original.statementText(a)) !== withoutLabels(patched.statementText(b))) return [a, b];
  }
}

/** Private labels and the numbers of names left out. */
const withoutLabels = (text: string): string => text.replace(/\.L[\w.$]+/g, '.L').replace(/\.\d+\b/g, '');

function difference(
  { original, patched }: Comparison,
  at: readonly [number, number] | undefined,
): { original: string; patched: string } {
  const [a, b] = at ?? [-1, -1];
  const shown = (text: string): string => text.replace(/\s+/g, ' ');
  return {
    original: a < 0 ? '' : shown(original.statementText(a)),
    patched: b < 0 ? '' : shown(patched.statementText(b)),
  };
}
