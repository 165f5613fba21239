/** What is known of each symbol while a text is read, by symbol. */
import { Column } from './column.ts';
import { SYMBOL } from './unit.ts';

export class SymbolFacts {
  /** Bits of SYMBOL. */
  readonly flags = new Column(4096);
  /** Block in which it is defined, or -1. */
  readonly block = new Column(4096);
  /** Number of compared statements of the block before it. */
  readonly ordinal = new Column(4096);

  /** Makes sure that there are entries for all symbols up to this one. */
  reserve(symbol: number): void {
    while (this.flags.length <= symbol) {
      this.flags.push(0);
      this.block.push(-1);
      this.ordinal.push(0);
    }
  }

  flagsOf(symbol: number): number {
    this.reserve(symbol);
    return this.flags.values[symbol]!;
  }

  blockOf(symbol: number): number {
    this.reserve(symbol);
    return this.block.values[symbol]!;
  }

  mark(symbol: number, bits: number): void {
    this.reserve(symbol);
    this.flags.values[symbol]! |= bits;
  }

  define(symbol: number, block: number, ordinal: number, bits: number): void {
    this.mark(symbol, SYMBOL.defined | bits);
    this.block.values[symbol] = block;
    this.ordinal.values[symbol] = ordinal;
  }
}
