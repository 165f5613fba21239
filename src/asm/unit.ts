/**
 * A unit of assembler text, read: statements, the symbols they refer to, and blocks. A block is what a linker could
 * place by itself: a function, a part of one in another section (.cold), a variable, a constant, a jump table.
 * Statements and references are columns of numbers; names stay bytes in the text.
 */
import type { Assembly } from '../arch/arch.ts';
import type { Column } from './column.ts';
import type { Linkage } from './difference.ts';
import { type Names, textOf } from './lex.ts';
import type { Mode } from './modes.ts';
import type { Section } from './section.ts';

/** Values of `Statements.kind`. */
export enum Statement {
  /** An instruction or data: compared and emitted. */
  Content = 0,
  Align,
  Label,
  /** CFI without symbols: emitted, but code decides whether two functions are the same. */
  Frame,
  /** Personality routine and exception table. */
  FrameReference,
  /** A section switch that inline asm makes inside a function. */
  Switch,
  /** A `.set` outside functions; belongs to no block. */
  Alias,
}

/** Bits of `Symbols.flags`. */
export const SYMBOL = {
  defined: 1,
  global: 2,
  weak: 4,
  hidden: 8,
  function: 16,
  object: 32,
  thread: 64,
  ifunc: 128,
  /** Never in a symbol table: the name starts with .L */
  private: 256,
  /** Defined inside a block rather than at its start. */
  interior: 512,
  alias: 1024,
  weakReference: 2048,
  local: 4096,
} as const;

export interface Alias {
  readonly symbol: number;
  /** Statement that holds the expression, with its references. */
  readonly statement: number;
  /** The only symbol in the expression, or -1. */
  readonly target: number;
  /** Bytes added to the target; undefined if the expression is more than `symbol ± number`. */
  readonly addend: number | undefined;
  readonly expression: string;
}

export interface Block {
  readonly id: number;
  readonly section: Section;
  readonly kind: 'function' | 'variable' | 'loose';
  /** Symbols at its start, in order. */
  readonly labels: readonly number[];
  /** Statements that precede the first label: alignment, and the start of CFI. */
  readonly lead: readonly number[];
  /** Statement ranges [from, to) in order, two numbers each: other sections' statements may lie between. */
  readonly ranges: readonly number[];
  /** Number of statements that count when two blocks are compared. */
  readonly contents: number;
  /** Alignment in bytes that its directives ask for. */
  readonly align: number;
  /** Bytes, where a directive tells; 0 if unknown. */
  readonly size: number;
  /** Common storage: no statements, only size and alignment. */
  readonly common: boolean;
  /** Written in asm at file scope. */
  readonly fileScopeAsm: boolean;
  /** The function to which it belongs: itself, or the one of which it is a part. */
  readonly root: number;
  /** Parts of this function in other sections, in text order. */
  readonly parts: readonly number[];
  /** Index among `parts` plus one; 0 for the root itself. */
  readonly part: number;
  /** Function into whose code its words point (a table of labels for computed goto), or -1. */
  readonly labelTableOf: number;
}

/** A statement that cannot be put into a block of its own. */
export interface Oddity {
  readonly kind: string;
  readonly what: string;
  /** Byte offset in the text. */
  readonly at: number;
  /** Block concerned, or -1. */
  readonly block: number;
}

export interface FileScopeAsm {
  readonly text: string;
  readonly at: number;
}

export interface UnitParts {
  readonly name: string;
  readonly assembly: Assembly;
  readonly bytes: Uint8Array;
  readonly names: Names;
  readonly statementStart: Column;
  readonly statementEnd: Column;
  readonly statementKind: Column;
  /** First reference of each statement; one entry more than there are statements. */
  readonly statementRefs: Column;
  readonly refStart: Column;
  readonly refEnd: Column;
  readonly refSymbol: Column;
  /** By symbol. */
  readonly flags: Int32Array;
  /** By symbol: block in which it is defined, or -1. */
  readonly symbolBlock: Int32Array;
  /** By symbol: number of compared statements of the block before it. */
  readonly symbolOrdinal: Int32Array;
  readonly blocks: readonly Block[];
  readonly aliases: ReadonlyMap<number, Alias>;
  readonly fileScopeAsm: readonly FileScopeAsm[];
  readonly versions: readonly string[];
  readonly oddities: readonly Oddity[];
  /** Macro definitions, verbatim; inline asm may use them. */
  readonly macros: readonly string[];
  /** Sections that `Statement.Switch` statements lead to. */
  readonly switches: ReadonlyMap<number, Section>;
  /** Statement that selects the syntax for the whole text (`.intel_syntax noprefix`), or ''. */
  readonly syntax: string;
  /** Choices of instructions, in the order of the text. */
  readonly modes: readonly Mode[];
  /** True if the text holds intermediate code for link-time optimisation. */
  readonly fat: boolean;
}

export class AsmUnit {
  constructor(readonly parts: UnitParts) {}

  get name(): string {
    return this.parts.name;
  }

  symbolName(symbol: number): string {
    return this.parts.names.text(symbol);
  }

  /** Number of the symbol with this name, or -1. */
  symbol(name: string): number {
    return this.parts.names.findText(name);
  }

  blockOf(symbol: number): Block | undefined {
    return this.parts.blocks[this.parts.symbolBlock[symbol]!];
  }

  is(symbol: number, bits: number): boolean {
    return (this.parts.flags[symbol]! & bits) !== 0;
  }

  linkage(symbol: number): Linkage {
    const flags = this.parts.flags[symbol]!;
    if ((flags & SYMBOL.weak) !== 0) return 'weak';
    return (flags & SYMBOL.global) !== 0 ? 'global' : 'local';
  }

  statementText(statement: number): string {
    const { bytes, statementStart, statementEnd } = this.parts;
    return textOf(bytes, statementStart.at(statement), statementEnd.at(statement));
  }

  /** The symbol that names the block in a symbol table: its first label that is not private. -1 if none. */
  blockSymbol(block: Block): number {
    for (const label of block.labels) if (!this.is(label, SYMBOL.private)) return label;
    return -1;
  }

  /** Every reference of the block's statements, in order. */
  *references(block: Block): Generator<number> {
    const { statementRefs, refSymbol, statementKind } = this.parts;
    for (const s of block.lead) {
      for (let i = statementRefs.at(s); i < statementRefs.at(s + 1); i++) yield refSymbol.at(i);
    }
    for (let r = 0; r < block.ranges.length; r += 2) {
      for (let s = block.ranges[r]!; s < block.ranges[r + 1]!; s++) {
        const kind = statementKind.values[s]!;
        if (kind === Statement.Label) continue;
        for (let i = statementRefs.values[s]!; i < statementRefs.values[s + 1]!; i++) {
          yield refSymbol.values[i]!;
        }
      }
    }
  }
}
