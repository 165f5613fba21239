/**
 * Which changed functions must come with the ones that a user selects.
 *
 * Taken all together, the changed functions need no such rule: the process then runs exactly the code that the
 * compiler made for the patched source, and a function whose text is the same in both versions fits both. Left-out
 * functions break that. The compiler knew more about functions of the same unit than the ABI promises: which
 * registers a callee leaves alone (-fipa-ra), that it has no side effects, which values it returns or is given, and
 * for clones the arguments themselves. That knowledge travels along calls that cannot be diverted to another object.
 *
 * So a selected function brings
 * - every changed function that it calls, directly or through unchanged static functions, and
 * - if it is static, every changed function that calls it in the same way,
 * unless the call goes through the PLT or GOT, where the ABI is all that the compiler may rely on.
 */
import type { Selection, UnitDifference } from './difference.ts';
import { clonedFrom } from './stem.ts';
import { type AsmUnit, type Block, Statement, SYMBOL } from './unit.ts';

export interface SelectionResult extends Selection {
  /** Function that came along, and the selected one on whose account. */
  readonly neighbours: ReadonlyMap<string, string>;
  /** Changed and new functions that stay out. */
  readonly leftOut: readonly string[];
}

/**
 * The functions to take so that `wanted` ones run as compiled.
 * @param wanted asked with the symbol and, for a compiler's copy (`f.isra.0`), with the source's name
 */
export function selectFunctions(
  patched: AsmUnit,
  difference: UnitDifference,
  wanted: (name: string) => boolean,
): SelectionResult {
  const carried = difference.functions.filter(({ kind }) => kind !== 'removed');
  const nameOf = new Map<number, string>();
  for (const { name, patchedName } of carried) {
    const block = patched.blockOf(patched.symbol(patchedName ?? name));
    if (block !== undefined) nameOf.set(block.id, name);
  }
  const calls = new Calls(patched);
  const selected = new Set<number>();
  const neighbours = new Map<string, string>();
  const work: number[] = [];
  const take = (id: number): void => {
    if (selected.has(id)) return;
    selected.add(id);
    work.push(id);
  };
  for (const [id, name] of nameOf) {
    const source = clonedFrom(name);
    if (wanted(name) || (source !== undefined && wanted(source))) take(id);
  }
  for (let id = work.pop(); id !== undefined; id = work.pop()) {
    const block = patched.parts.blocks[id]!;
    const near = calls.reachable(block, 'callees', (other) => nameOf.has(other.id));
    if (calls.isStatic(block))
      near.push(...calls.reachable(block, 'callers', (other) => nameOf.has(other.id)));
    for (const other of near) {
      if (!selected.has(other.id)) neighbours.set(nameOf.get(other.id)!, nameOf.get(id)!);
      take(other.id);
    }
  }
  return {
    functions: new Set([...nameOf].filter(([id]) => selected.has(id)).map(([, name]) => name)),
    neighbours,
    leftOut: [...nameOf].filter(([id]) => !selected.has(id)).map(([, name]) => name),
  };
}

/**
 * Functions of the original unit that the compiler could look into when it made the selected ones: whatever they call,
 * directly or not, where the call cannot lead to another object. Their registers, side effects and results may be taken
 * for granted (-fipa-ra, -fipa-pure-const, -fipa-modref), so that they must stay what they are in the patched unit.
 */
export function functionsSeenBy(
  patched: AsmUnit,
  { functions, pairing }: UnitDifference,
  selection: Selection,
  original: AsmUnit,
): string[] {
  const calls = new Calls(patched);
  const seen = new Set<number>();
  const work = functions.flatMap(({ name, patchedName }) => {
    const block = patched.blockOf(patched.symbol(patchedName ?? name));
    return block !== undefined && selection.functions.has(name) ? [block.id] : [];
  });
  for (let id = work.pop(); id !== undefined; id = work.pop()) {
    for (const next of calls.calleesOf(id)) {
      if (seen.has(next)) continue;
      seen.add(next);
      work.push(next);
    }
  }
  return [...seen]
    .flatMap((id) => patched.parts.blocks[id]!.labels)
    .map((label) => pairing.toOriginal[label]!)
    .filter((counterpart) => counterpart >= 0 && !original.is(counterpart, SYMBOL.private))
    .map((counterpart) => original.symbolName(counterpart))
    .sort();
}

/** Calls within the unit that the compiler could look through. */
class Calls {
  readonly #callees: Set<number>[];
  readonly #callers: Set<number>[];

  constructor(readonly unit: AsmUnit) {
    const { blocks } = unit.parts;
    this.#callees = blocks.map(() => new Set<number>());
    this.#callers = blocks.map(() => new Set<number>());
    for (const block of blocks) {
      if (block.kind === 'function') for (const target of this.#bound(block)) this.#add(block.root, target);
    }
  }

  calleesOf(id: number): Iterable<number> {
    return this.#callees[id]!;
  }

  isStatic(block: Block): boolean {
    return block.labels.every((label) => this.unit.linkage(label) === 'local');
  }

  /** Blocks that `wanted` knows, reached from `from` through static functions that it does not know. */
  reachable(from: Block, direction: 'callees' | 'callers', wanted: (block: Block) => boolean): Block[] {
    const edges = direction === 'callees' ? this.#callees : this.#callers;
    const found: Block[] = [];
    const seen = new Set([from.id]);
    const work = [from.id];
    for (let id = work.pop(); id !== undefined; id = work.pop()) {
      for (const next of edges[id]!) {
        if (seen.has(next)) continue;
        seen.add(next);
        const block = this.unit.parts.blocks[next]!;
        if (wanted(block)) found.push(block);
        else if (this.isStatic(block)) work.push(next);
      }
    }
    return found;
  }

  #add(caller: number, callee: number): void {
    if (caller === callee) return;
    this.#callees[caller]!.add(callee);
    this.#callers[callee]!.add(caller);
  }

  /** Functions to which the block's statements refer, where the reference cannot lead to another object. */
  *#bound(block: Block): Generator<number> {
    const { parts } = this.unit;
    const suffix = parts.assembly.relocationSuffix?.charCodeAt(0);
    for (let r = 0; r < block.ranges.length; r += 2) {
      for (let s = block.ranges[r]!; s < block.ranges[r + 1]!; s++) {
        if (parts.statementKind.at(s) !== Statement.Content) continue;
        for (let i = parts.statementRefs.at(s); i < parts.statementRefs.at(s + 1); i++) {
          const symbol = parts.refSymbol.at(i);
          const target = this.unit.blockOf(symbol);
          if (target === undefined || target.kind !== 'function' || this.unit.is(symbol, SYMBOL.interior)) {
            continue;
          }
          const diverted = parts.bytes[parts.refEnd.at(i)] === suffix && !this.isStatic(target);
          if (!diverted) yield target.root;
        }
      }
    }
  }
}
