/** Variables that are new, gone, or not what they were. */
import type { Comparison } from './compare.ts';
import type { FunctionDifference, Storage, VariableDifference } from './difference.ts';
import { isLocalConstant, isZero } from './match.ts';
import { pairKey } from './pair.ts';
import { type AsmUnit, type Block, SYMBOL } from './unit.ts';

export function compareVariables(
  comparison: Comparison,
  functions: readonly FunctionDifference[],
): VariableDifference[] {
  const { original, patched, pairing } = comparison;
  const found: VariableDifference[] = [];
  const taken = new Set(functions.filter((f) => f.kind !== 'removed').map((f) => f.patchedName ?? f.name));
  for (const [block, symbol] of namedVariables(patched)) {
    const counterpart = pairing.toOriginal[symbol]!;
    const before = counterpart < 0 ? undefined : original.blockOf(counterpart);
    const name = patched.symbolName(symbol);
    const linkage = patched.linkage(symbol);
    if (before?.kind !== 'variable') {
      const privateToChanged = linkage === 'local' && onlyTaken(comparison, block, taken);
      found.push({
        kind: 'new',
        name,
        storage: storageOf(patched, block, symbol),
        linkage,
        privateToChanged,
      });
      continue;
    }
    const kind = changeOf(comparison, before, block);
    if (kind === undefined) continue;
    const constant = isLocalConstant(original, before) && isLocalConstant(patched, block);
    const table = before.labelTableOf >= 0 && block.labelTableOf >= 0;
    const privateToChanged = (constant || table) && onlyTaken(comparison, block, taken);
    // The words of a table of labels follow the code of its function and come with it.
    if (table && privateToChanged && !constant) continue;
    const originalName = original.symbolName(counterpart);
    found.push({
      kind,
      name: originalName,
      ...(originalName === name ? {} : { patchedName: name }),
      storage: storageOf(original, before, counterpart),
      linkage,
      privateToChanged,
    });
  }
  for (const [block, symbol] of namedVariables(original)) {
    if (pairing.toPatched[symbol]! >= 0) continue;
    found.push({
      kind: 'removed',
      name: original.symbolName(symbol),
      storage: storageOf(original, block, symbol),
      linkage: original.linkage(symbol),
      privateToChanged: false,
    });
  }
  return found;
}

function* namedVariables(unit: AsmUnit): Generator<[Block, number]> {
  for (const block of unit.parts.blocks) {
    if (block.kind !== 'variable' || block.fileScopeAsm || block.section.use === 'exceptions') continue;
    const symbol = unit.blockSymbol(block);
    if (symbol >= 0) yield [block, symbol];
  }
}

function changeOf(
  { original, patched, pairing }: Comparison,
  before: Block,
  after: Block,
): 'changed-value' | 'changed-size' | 'changed-section' | undefined {
  const unequal = pairing.unequal.has(pairKey(before.id, after.id));
  const was = placeOf(before);
  const is = placeOf(after);
  if (was !== is) return 'changed-section';
  if (isLocalConstant(original, before) && isLocalConstant(patched, after)) {
    return unequal ? 'changed-value' : undefined;
  }
  if (before.size !== after.size && before.size > 0 && after.size > 0) return 'changed-size';
  return unequal ? 'changed-value' : undefined;
}

/** Places between which a variable cannot move unnoticed. Zero and data differ only in the initial value. */
function placeOf(block: Block): string {
  if (block.section.use === 'zero' || block.common) return block.section.use === 'thread' ? 'thread' : 'data';
  return block.section.use;
}

function storageOf(unit: AsmUnit, block: Block, symbol: number): Storage {
  if (block.section.use === 'thread') return 'tls';
  if (block.common && unit.linkage(symbol) !== 'local' && !unit.is(symbol, SYMBOL.local)) return 'common';
  if (isZero(block)) return 'bss';
  if (block.section.use === 'constant') return block.section.relro ? 'relro' : 'rodata';
  return 'data';
}

/** Whether nothing refers to it but functions that the patch brings, and constants that come along with them. */
function onlyTaken(comparison: Comparison, block: Block, taken: ReadonlySet<string>): boolean {
  const { patched, patchedUsers } = comparison;
  const seen = new Set<number>();
  const visit = (inner: Block): boolean =>
    patchedUsers.of(inner).every((user) => {
      if (seen.has(user.id)) return true;
      seen.add(user.id);
      const symbol = patched.blockSymbol(user);
      if (user.kind === 'function') return symbol >= 0 && taken.has(patched.symbolName(symbol));
      if (user.section.use === 'exceptions') return visit(user);
      return user.kind === 'variable' && isLocalConstant(patched, user) && visit(user);
    });
  return visit(block);
}
