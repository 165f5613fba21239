/** Who refers to a symbol, traced through private data to functions, and through functions that only one unit has. */

import { clonedFrom } from './stem.ts';
import { type AsmUnit, type Block, SYMBOL } from './unit.ts';

export class Users {
  /** Blocks that refer to each block, by block. Functions count as their root. */
  readonly #of: number[][];
  readonly #functions = new Set<string>();

  constructor(readonly unit: AsmUnit) {
    const { blocks } = unit.parts;
    this.#of = blocks.map(() => []);
    for (const block of blocks) {
      if (block.kind === 'function') {
        for (const label of block.labels) this.#functions.add(baseName(unit.symbolName(label)));
      }
      for (const symbol of unit.references(block)) {
        const target = unit.parts.symbolBlock[symbol]!;
        if (target < 0) continue;
        const list = this.#of[blocks[target]!.root]!;
        if (list.at(-1) !== block.root) list.push(block.root);
      }
    }
  }

  /** Blocks that refer to it, itself left out, without repetition. */
  of(block: Block): Block[] {
    const found = new Set(this.#of[block.root]!.filter((id) => id !== block.root));
    return [...found].map((id) => this.unit.parts.blocks[id]!);
  }

  hasFunction(name: string): boolean {
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
