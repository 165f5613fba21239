/** Functions that run when the program is started or ends: added, removed, or changed after they have run. */
import type { Comparison } from './compare.ts';
import type { FunctionDifference, OtherDifference } from './difference.ts';
import { sourcePlaceOf } from './source-place.ts';
import type { AsmUnit, Block } from './unit.ts';

/** Entries of .init_array and its kin, as text with the original's names: the symbols that they name. */
function starterEntries(unit: AsmUnit, nameOf: (symbol: number) => string): Map<string, number> {
  const entries = new Map<string, number>();
  for (const block of unit.parts.blocks) {
    if (block.section.use !== 'starters' || block.fileScopeAsm) continue;
    for (const symbol of unit.references(block)) {
      entries.set(`${block.section.name} ${nameOf(symbol)}`, symbol);
    }
  }
  return entries;
}

const ranBefore = (name: string): string =>
  `${name} is changed, but it ran when the program was started and will not run again`;

/** A direct call or jump, of any CPU. */
const CALL = /^(?:notrack\s+)?(?:call|callq|jmp|bl|b)\s/;

/**
 * Whether the user only calls the function: one whose address it takes may be kept, and called by anybody later
 * (what a lambda holds, a handler that is registered).
 */
function onlyCalls(unit: AsmUnit, user: Block, called: Block): boolean {
  const { blocks, symbolBlock, refSymbol, statementRefs } = unit.parts;
  const isCalled = (ref: number): boolean => {
    const target = symbolBlock[refSymbol.at(ref)]!;
    return target >= 0 && blocks[target]!.root === called.root;
  };
  const parts = [user, ...user.parts.map((part) => blocks[part]!)];
  for (const { ranges } of parts) {
    for (let r = 0; r < ranges.length; r += 2) {
      for (let s = ranges[r]!; s < ranges[r + 1]!; s++) {
        for (let ref = statementRefs.at(s); ref < statementRefs.at(s + 1); ref++) {
          if (isCalled(ref) && !CALL.test(unit.statementText(s))) return false;
        }
      }
    }
  }
  return true;
}

/** Static functions that change and that nothing of the fixed source calls but what runs when the program is started. */
function* onlyForStarters(
  { patched, patchedUsers }: Comparison,
  functions: readonly FunctionDifference[],
  starting: ReadonlySet<Block>,
): Generator<{ block: Block; symbol: number }> {
  // Most units have nothing that runs by itself: who calls whom is not asked then.
  if (starting.size === 0) return;
  const known = new Map<Block, boolean>();
  const isStarting = (block: Block): boolean => {
    if (starting.has(block)) return true;
    const before = known.get(block);
    if (before !== undefined) return before;
    // Functions that call each other are judged by their other callers.
    known.set(block, true);
    const symbol = patched.blockSymbol(block);
    const isStatic = block.kind === 'function' && symbol >= 0 && patched.linkage(symbol) === 'local';
    // An exception table tells of a function, and runs nothing.
    const users = isStatic
      ? patchedUsers.of(block).filter(({ section }) => section.use !== 'exceptions')
      : [];
    const verdict =
      users.length > 0 && users.every((user) => isStarting(user) && onlyCalls(patched, user, block));
    known.set(block, verdict);
    return verdict;
  };
  for (const { kind, name, patchedName, linkage } of functions) {
    if (kind !== 'changed' || linkage !== 'local') continue;
    const symbol = patched.symbol(patchedName ?? name);
    const block = patched.blockOf(symbol);
    if (block !== undefined && !starting.has(block) && isStarting(block)) yield { block, symbol };
  }
}

export function* compareStarters(
  comparison: Comparison,
  functions: readonly FunctionDifference[],
): Generator<OtherDifference> {
  const { original, patched, pairing } = comparison;
  const before = starterEntries(original, (symbol) => original.symbolName(symbol));
  const after = starterEntries(patched, (symbol) => {
    const counterpart = pairing.toOriginal[symbol]!;
    return counterpart < 0 ? patched.symbolName(symbol) : original.symbolName(counterpart);
  });
  const about = (unit: AsmUnit, symbol: number): Pick<OtherDifference, 'place' | 'symbol'> => ({
    place: sourcePlaceOf(unit, unit.blockOf(symbol)),
    symbol: unit.symbolName(symbol),
  });
  for (const [entry, symbol] of after) {
    if (before.has(entry)) continue;
    const what = `${entry} is added: it would have to run`;
    yield { kind: 'constructor', what, ...about(patched, symbol) };
  }
  for (const [entry, symbol] of before) {
    if (after.has(entry)) continue;
    yield { kind: 'constructor', what: `${entry} is removed`, ...about(original, symbol) };
  }
  const changed = new Set(functions.filter((f) => f.kind === 'changed').map((f) => f.name));
  for (const [entry, symbol] of after) {
    const [section = '', name = ''] = entry.split(' ');
    if (!before.has(entry) || !changed.has(name) || /fini|dtors/.test(section)) continue;
    yield { kind: 'constructor', what: ranBefore(name), ...about(patched, symbol) };
  }
  const starting = new Set<Block>();
  for (const [entry, symbol] of after) {
    const block = patched.blockOf(symbol);
    if (block !== undefined && !/fini|dtors/.test(entry.split(' ')[0] ?? '')) starting.add(block);
  }
  for (const { block, symbol } of onlyForStarters(comparison, functions, starting)) {
    const counterpart = pairing.toOriginal[symbol]!;
    const what = ranBefore(counterpart < 0 ? patched.symbolName(symbol) : original.symbolName(counterpart));
    yield {
      kind: 'constructor',
      what,
      place: sourcePlaceOf(patched, block),
      symbol: patched.symbolName(symbol),
    };
  }
}
