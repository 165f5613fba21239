/** Who refers to a symbol, traced through private data to functions, and through functions that only one unit has. */

import { clonedFrom } from './stem.ts';
import { type AsmUnit, type Block, SYMBOL } from './unit.ts';

export class Users {
  /** Blocks that refer to each block, by block. Functions count as their root. */
  #table: number[][] | undefined;
  readonly #functions = new Set<string>();

  constructor(readonly unit: AsmUnit) {}

  /** Made when it is first asked for: most units have no question. */
  get #of(): number[][] {
    this.#table ??= this.#collect();
    return this.#table;
  }

  #collect(): number[][] {
    const { unit } = this;
    const { blocks, statementRefs, refSymbol, symbolBlock } = unit.parts;
    const users: number[][] = blocks.map(() => []);
    for (const block of blocks) {
      if (block.kind === 'function') {
        for (const label of block.labels) this.#functions.add(baseName(unit.symbolName(label)));
      }
      const note = (from: number, to: number): void => {
        for (let i = from; i < to; i++) {
          const target = symbolBlock[refSymbol.values[i]!]!;
          if (target < 0) continue;
          const root = blocks[target]!.root;
          if (root === block.root) continue;
          const list = users[root]!;
          if (list[list.length - 1] !== block.root) list.push(block.root);
        }
      };
      for (const s of block.lead) note(statementRefs.at(s), statementRefs.at(s + 1));
      for (let r = 0; r < block.ranges.length; r += 2) {
        note(statementRefs.values[block.ranges[r]!]!, statementRefs.values[block.ranges[r + 1]!]!);
      }
    }
    return users;
  }

  /** Blocks that refer to it, itself left out, without repetition. */
  of(block: Block): Block[] {
    const found = new Set(this.#of[block.root]!.filter((id) => id !== block.root));
    return [...found].map((id) => this.unit.parts.blocks[id]!);
  }

  hasFunction(name: string): boolean {
    this.#table ??= this.#collect();
    return this.#functions.has(name);
  }

  /**
   * Names of the functions that use the symbol, as the source knows them. A function that the other unit does not have
   * may be inlined there: its callers stand in for it.
   */
  sourceNames(symbol: number, other: Users): Set<string> {
    const names = new Set<string>();
    const seen = new Set<number>();
    const visit = (block: Block): void => {
      for (const user of this.of(block)) {
        if (seen.has(user.id)) continue;
        seen.add(user.id);
        const label = this.unit.blockSymbol(user);
        if (user.kind !== 'function') {
          if (label >= 0 && !this.unit.is(label, SYMBOL.private))
            names.add(`=${this.unit.symbolName(label)}`);
          else visit(user);
          continue;
        }
        const name = label < 0 ? '' : baseName(this.unit.symbolName(label));
        names.add(name);
        if (!other.hasFunction(name)) visit(user);
      }
    };
    const block = this.unit.blockOf(symbol);
    if (block !== undefined) visit(block);
    return names;
  }
}

function baseName(name: string): string {
  return clonedFrom(name) ?? name;
}
