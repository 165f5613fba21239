/** What blocks are to each other: parts of functions, and tables of labels. */
import type { GrowingBlock } from './growing-block.ts';
import { type AsmUnit, SYMBOL } from './unit.ts';

/**
 * Finds the parts of functions, which compilers name `f.cold` (gcc, and clang's function splitter; old gcc: `f.cold.3`),
 * and the tables that hold addresses of code inside a function.
 */
export function linkBlocks(unit: AsmUnit, blocks: readonly GrowingBlock[]): void {
  for (const block of blocks) {
    if (block.kind !== 'function') continue;
    const symbol = unit.blockSymbol(block);
    if (symbol < 0 || !mayBeCold(unit, symbol)) continue;
    const name = unit.symbolName(symbol);
    const cold = name.lastIndexOf('.cold');
    if (cold <= 0 || !/^\.cold(\.\d+)?$/.test(name.slice(cold))) continue;
    const parent = unit.blockOf(unit.symbol(name.slice(0, cold)));
    if (parent === undefined || parent.kind !== 'function' || parent === block) continue;
    block.root = parent.id;
    const parts = blocks[parent.id]!.parts;
    parts.push(block.id);
    block.part = parts.length;
  }
  // A part's part belongs to the same root.
  for (const block of blocks) {
    while (blocks[block.root]!.root !== block.root) block.root = blocks[block.root]!.root;
  }
  const { statementRefs, refSymbol, symbolBlock } = unit.parts;
  for (const block of blocks) {
    if (block.kind !== 'variable' || block.ranges.length === 0) continue;
    const { ranges } = block;
    for (let r = 0; r < ranges.length && block.labelTableOf < 0; r += 2) {
      const end = statementRefs.values[ranges[r + 1]!]!;
      for (let i = statementRefs.values[ranges[r]!]!; i < end; i++) {
        const symbol = refSymbol.values[i]!;
        const target = symbolBlock[symbol]!;
        if (target < 0 || blocks[target]!.kind !== 'function' || !unit.is(symbol, SYMBOL.interior)) continue;
        block.labelTableOf = blocks[target]!.root;
        break;
      }
    }
  }
}

/** Ends with a letter d or a digit: spares making strings of most names. */
function mayBeCold(unit: AsmUnit, symbol: number): boolean {
  const { names, bytes } = unit.parts;
  const last = bytes[names.ends.at(symbol) - 1]!;
  return last === 100 || (last >= 48 && last <= 57);
}
