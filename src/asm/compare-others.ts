/** Differences that are neither functions nor variables, and constructs of changed functions that a patch cannot hold. */
import type { Comparison } from './compare.ts';
import { compareStarters } from './compare-starters.ts';
import type { FunctionDifference, OtherDifference } from './difference.ts';
import { throughAliases } from './match.ts';
import { type SourcePlace, sourcePlaceAt, sourcePlaceBehind, sourcePlaceOf } from './source-place.ts';
import { type AsmUnit, type Block, Statement, SYMBOL } from './unit.ts';

export function compareOthers(
  comparison: Comparison,
  functions: readonly FunctionDifference[],
): OtherDifference[] {
  const taken = takenBlocks(comparison.patched, functions);
  const found = [
    ...fileScopeAsm(comparison),
    ...versions(comparison),
    ...compareStarters(comparison, functions),
    ...looseData(comparison),
    ...aliases(comparison),
    ...resolvers(comparison, functions),
    ...bindings(comparison),
    ...alignments(comparison, taken),
    ...constructs(comparison.patched, taken),
    ...ambiguous(comparison),
  ];
  if (comparison.patched.parts.fat && (functions.length > 0 || found.length > 0)) {
    found.push({
      kind: 'lto',
      what: 'the unit is compiled for link-time optimisation: what runs is not what its assembler text says',
    });
  }
  return found;
}

function takenBlocks(patched: AsmUnit, functions: readonly FunctionDifference[]): Block[] {
  const blocks: Block[] = [];
  for (const { kind, name, patchedName } of functions) {
    if (kind === 'removed') continue;
    const block = patched.blockOf(patched.symbol(patchedName ?? name));
    if (block !== undefined) blocks.push(block, ...block.parts.map((id) => patched.parts.blocks[id]!));
  }
  return blocks;
}

function* fileScopeAsm({ original, patched }: Comparison): Generator<OtherDifference> {
  const before = original.parts.fileScopeAsm.map((asm) => asm.text);
  const after = patched.parts.fileScopeAsm;
  if (before.join('\n') === after.map((asm) => asm.text).join('\n')) return;
  const at = after.findIndex((asm, i) => asm.text !== before[i]);
  const asm = after[at];
  const place = asm && sourcePlaceBehind(patched, asm.at);
  const shown = (asm?.text ?? before[after.length] ?? '').trim().split('\n')[0]!.trim();
  yield { kind: 'toplevel-asm', what: `asm at file scope differs: ${shown}`, place };
}

function* versions({ original, patched }: Comparison): Generator<OtherDifference> {
  const before = new Set(original.parts.versions);
  const after = new Set(patched.parts.versions);
  for (const version of new Set([...before, ...after])) {
    if (before.has(version) && after.has(version)) continue;
    yield { kind: 'symbol-version', what: `symbol version ${version} is added or removed`, symbol: version };
  }
}

/** Data without a name of its own: whoever collects the section sees it, a patch cannot add to it. */
function* looseData({ original, patched, pairing }: Comparison): Generator<OtherDifference> {
  const list = (unit: AsmUnit, nameOf: (symbol: number) => string): Map<string, string[]> => {
    const bySection = new Map<string, string[]>();
    for (const block of unit.parts.blocks) {
      if (block.kind !== 'loose' || block.fileScopeAsm || block.section.use === 'starters') continue;
      const lines = bySection.get(block.section.name) ?? [];
      bySection.set(block.section.name, lines);
      for (const statement of statementsOf(unit, block)) lines.push(named(unit, statement, nameOf));
    }
    return bySection;
  };
  const before = list(original, (symbol) => original.symbolName(symbol));
  const after = list(patched, (symbol) => {
    const counterpart = pairing.toOriginal[symbol]!;
    return counterpart < 0 ? patched.symbolName(symbol) : original.symbolName(counterpart);
  });
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    if ((before.get(name) ?? []).join('\n') === (after.get(name) ?? []).join('\n')) continue;
    yield { kind: 'section', what: `data without a name in section ${name} differs` };
  }
}

function named(unit: AsmUnit, statement: number, nameOf: (symbol: number) => string): string {
  const { statementRefs, refSymbol } = unit.parts;
  const names: string[] = [];
  for (let r = statementRefs.at(statement); r < statementRefs.at(statement + 1); r++) {
    const symbol = refSymbol.at(r);
    // Private labels have no name to compare; the functions they stand in are compared elsewhere.
    names.push(unit.is(symbol, SYMBOL.private) ? '.L' : nameOf(symbol));
  }
  return names.length > 0 ? names.join(' ') : unit.statementText(statement);
}

function* aliases({ original, patched, pairing }: Comparison): Generator<OtherDifference> {
  for (const [symbol, alias] of patched.parts.aliases) {
    if (patched.is(symbol, SYMBOL.private)) continue;
    const counterpart = pairing.toOriginal[symbol]!;
    if (counterpart < 0) continue;
    const name = patched.symbolName(symbol);
    const before = original.parts.aliases.get(counterpart);
    if (before === undefined) {
      yield { kind: 'alias', what: `${name} has become another name of ${alias.expression}`, symbol: name };
      continue;
    }
    const sameTarget =
      alias.target < 0
        ? alias.expression === before.expression
        : pairing.toOriginal[throughAliases(patched, alias.target).symbol] ===
          throughAliases(original, before.target).symbol;
    if (!sameTarget || alias.addend !== before.addend) {
      const what = `${name} was another name of ${before.expression} and is now one of ${alias.expression}`;
      yield { kind: 'alias', what, symbol: name };
    }
  }
  for (const [symbol, alias] of original.parts.aliases) {
    if (original.is(symbol, SYMBOL.private)) continue;
    const counterpart = pairing.toPatched[symbol]!;
    if (counterpart < 0 || patched.parts.aliases.has(counterpart)) continue;
    const name = original.symbolName(symbol);
    yield { kind: 'alias', what: `${name} is no longer another name of ${alias.expression}`, symbol: name };
  }
}

/** Resolvers of indirect functions: their choice was made when the program was linked into memory. */
function* resolvers(
  { original, patched, pairing }: Comparison,
  functions: readonly FunctionDifference[],
): Generator<OtherDifference> {
  const changed = new Set(functions.filter((f) => f.kind === 'changed').map((f) => f.name));
  for (let symbol = 0; symbol < original.parts.names.length; symbol++) {
    if (!original.is(symbol, SYMBOL.ifunc) || !original.is(symbol, SYMBOL.defined)) continue;
    const alias = original.parts.aliases.get(symbol);
    const resolver = alias !== undefined && alias.target >= 0 ? alias.target : symbol;
    const name = original.symbolName(symbol);
    if (changed.has(original.symbolName(resolver))) {
      const what = `the resolver of the indirect function ${name} is changed, but its choice has been made`;
      yield { kind: 'ifunc', what, symbol: original.symbolName(resolver) };
    }
    const counterpart = pairing.toPatched[symbol]!;
    if (counterpart >= 0 && !patched.is(counterpart, SYMBOL.ifunc)) {
      yield { kind: 'ifunc', what: `${name} is no longer an indirect function`, symbol: name };
    }
  }
}

function* bindings({ original, patched, pairing }: Comparison): Generator<OtherDifference> {
  for (let symbol = 0; symbol < original.parts.names.length; symbol++) {
    const counterpart = pairing.toPatched[symbol]!;
    if (counterpart < 0 || !original.is(symbol, SYMBOL.defined)) continue;
    const before = original.linkage(symbol);
    const after = patched.linkage(counterpart);
    if (before === after || before === 'local' || after === 'local') continue;
    const what = `${original.symbolName(symbol)} was ${before} and is ${after}: which definition counts was decided when the program was linked`;
    yield { kind: 'binding', what, symbol: original.symbolName(symbol) };
  }
}

/** Code compiled for a larger alignment than the variable in the program has. */
function* alignments(
  { original, patched, pairing }: Comparison,
  taken: readonly Block[],
): Generator<OtherDifference> {
  const seen = new Set<number>();
  for (const block of taken) {
    for (const symbol of patched.references(block)) {
      const counterpart = pairing.toOriginal[symbol]!;
      if (counterpart < 0 || seen.has(symbol)) continue;
      seen.add(symbol);
      const before = original.blockOf(counterpart);
      const after = patched.blockOf(symbol);
      if (before?.kind !== 'variable' || after?.kind !== 'variable' || after.align <= before.align) continue;
      if (original.is(counterpart, SYMBOL.interior)) continue;
      const what = `changed code needs ${patched.symbolName(symbol)} at a multiple of ${after.align} bytes, the program has it at one of ${before.align}`;
      yield { kind: 'alignment', what, symbol: patched.symbolName(symbol) };
    }
  }
}

/** What functions that go into a patch contain and a patch cannot. */
function* constructs(patched: AsmUnit, taken: readonly Block[]): Generator<OtherDifference> {
  const { parts } = patched;
  const ids = new Set(taken.map((block) => block.id));
  const place = (at: number): SourcePlace | undefined => sourcePlaceAt(patched, at);
  for (const oddity of parts.oddities) {
    if (oddity.block >= 0 && !ids.has(oddity.block)) continue;
    yield {
      kind: oddity.kind,
      what: oddity.what,
      place: sourcePlaceAt(patched, oddity.at),
    };
  }
  for (const block of taken) {
    const name = patched.symbolName(patched.blockSymbol(parts.blocks[block.root]!));
    for (const statement of statementsOf(patched, block)) {
      const at = parts.statementStart.at(statement);
      const section = parts.switches.get(statement);
      if (section !== undefined && section.use !== 'ignored') {
        const carried = section.standard && (section.use === 'code' || section.use === 'constant');
        if (!carried) {
          const what = `inline asm in ${name} writes to section ${section.name}: who reads that section will not see the patch's part`;
          yield { kind: 'asm-section', what, place: place(at) };
        }
      }
      for (let r = parts.statementRefs.at(statement); r < parts.statementRefs.at(statement + 1); r++) {
        const symbol = parts.refSymbol.at(r);
        const target = patched.blockOf(symbol);
        if (target === undefined || !patched.is(symbol, SYMBOL.private)) continue;
        if (target.fileScopeAsm) {
          const what = `${name} refers to ${patched.symbolName(symbol)}, a private label of asm at file scope`;
          yield { kind: 'asm-label', what, place: place(at) };
        } else if (target.kind === 'function' && target.root !== block.root) {
          const what = `${name} refers to ${patched.symbolName(symbol)}, a private label inside another function`;
          yield { kind: 'asm-label', what, place: place(at) };
        }
      }
    }
  }
  for (let symbol = 0; symbol < parts.names.length; symbol++) {
    if (!patched.is(symbol, SYMBOL.interior) || !patched.is(symbol, SYMBOL.global | SYMBOL.weak)) continue;
    if (!ids.has(parts.symbolBlock[symbol]!)) continue;
    const what = `inline asm exports the label ${patched.symbolName(symbol)} from inside a changed function`;
    yield { kind: 'asm-label', what, place: sourcePlaceOf(patched, patched.blockOf(symbol)) };
  }
}

function* ambiguous({ pairing }: Comparison): Generator<OtherDifference> {
  for (const { stem, original, patched } of pairing.ambiguous) {
    const what = `static variables named ${stem}: it is not certain which of ${original.join(', ')} continues as which of ${patched.join(', ')}`;
    yield { kind: 'ambiguous-static', what, symbol: patched[0] ?? stem };
  }
}

function* statementsOf(unit: AsmUnit, block: Block): Generator<number> {
  for (let r = 0; r < block.ranges.length; r += 2) {
    for (let s = block.ranges[r]!; s < block.ranges[r + 1]!; s++) {
      if (unit.parts.statementKind.at(s) !== Statement.Label) yield s;
    }
  }
}
