/** Puts statements into blocks while a text is read, and links the blocks when it has been read. */
import type { Assembly } from '../arch/arch.ts';
import { linkBlocks } from './block-link.ts';
import type { Directive } from './directive.ts';
import { alignmentIn } from './directive-arguments.ts';
import { type GrowingBlock, GrowingBlocks, type Stream } from './growing-block.ts';
import { CAPITAL_L, DOT, type Names, textOf } from './lex.ts';
import { Modes } from './modes.ts';
import type { Section } from './section.ts';
import { StatementColumns } from './statement-columns.ts';
import { SymbolDirectives } from './symbol-directives.ts';
import { SymbolFacts } from './symbol-facts.ts';
import { AsmUnit, type FileScopeAsm, type Oddity, Statement, SYMBOL } from './unit.ts';

export class BlockBuilder {
  readonly statements: StatementColumns;
  readonly #symbols = new SymbolFacts();
  readonly #blocks: GrowingBlocks;
  readonly #directives: SymbolDirectives;
  readonly #exceptionTables = new Set<number>();
  readonly #asm: FileScopeAsm[] = [];
  readonly #oddities: Oddity[] = [];
  readonly #macros: string[] = [];
  readonly #switches = new Map<number, Section>();
  #syntax = '';
  readonly #modes = new Modes();
  /** The function whose inline asm has switched to another section. */
  #embedding: GrowingBlock | undefined;
  #embeddingKey: Stream | undefined;
  /** The current section does not count. */
  ignoring = false;

  constructor(
    readonly bytes: Uint8Array,
    readonly names: Names,
    readonly assembly: Assembly,
    readonly name: string,
  ) {
    this.statements = new StatementColumns(bytes.length);
    this.#blocks = new GrowingBlocks(bytes, assembly, this.statements, this.#symbols);
    this.#directives = new SymbolDirectives(name, names, this.statements, this.#symbols, this.#blocks);
  }

  get inFunction(): boolean {
    const { stream } = this.#blocks;
    return this.#embedding !== undefined || (stream.open && !stream.block!.fileScopeAsm);
  }

  enter(key: string, section: Section): void {
    this.#blocks.enter(key, section);
    this.ignoring = section.use === 'ignored' || section.use === 'fat';
  }

  content(kind: Statement, at: number, end: number, inAsm: boolean): void {
    if (this.ignoring && this.#embedding === undefined) {
      this.statements.drop();
      return;
    }
    const block = this.#embedding ?? this.#blocks.forContent(inAsm);
    this.#blocks.attach(block, this.statements.push(kind, at, end));
    block.contents++;
  }

  align(at: number, end: number, inAsm: boolean): void {
    if (this.#embedding !== undefined) {
      this.content(Statement.Content, at, end, inAsm);
      return;
    }
    if (this.ignoring) {
      this.statements.drop();
      return;
    }
    const { stream } = this.#blocks;
    if (!stream.open) {
      stream.pending.push(this.statements.push(Statement.Align, at, end));
      return;
    }
    const block = stream.block!;
    const bytes = alignmentIn(this.bytes, at, end, this.assembly.alignIsPower);
    block.align = Math.max(block.align, Math.min(bytes, 64));
    const kind = inAsm ? Statement.Content : Statement.Align;
    this.#blocks.attach(block, this.statements.push(kind, at, end));
    if (inAsm) block.contents++;
  }

  frame(at: number, end: number): void {
    const { stream } = this.#blocks;
    if (this.ignoring || stream.section.use !== 'code') {
      this.statements.drop();
      return;
    }
    const starts = this.bytes[at + 5] === 115 && this.bytes[at + 6] === 116; // .cfi_st|artproc
    const ends = this.bytes[at + 5] === 101 && this.bytes[at + 6] === 110; //   .cfi_en|dproc
    const statement = this.statements.push(Statement.Frame, at, end);
    if (stream.open || (stream.framed && stream.block !== undefined && !starts)) {
      this.#blocks.attach(stream.block!, statement);
    } else {
      stream.pending.push(statement);
    }
    if (starts) stream.framed = true;
    if (ends) stream.framed = false;
  }

  frameReference(at: number, end: number): void {
    const { statements } = this;
    const { stream } = this.#blocks;
    if (this.ignoring || stream.section.use !== 'code') {
      statements.drop();
      return;
    }
    for (let i = statements.firstRef; i < statements.refSymbol.length; i++) {
      this.#exceptionTables.add(statements.refSymbol.at(i));
    }
    const statement = statements.push(Statement.FrameReference, at, end);
    if (stream.open) {
      this.#blocks.attach(stream.block!, statement);
      stream.block!.contents++;
    } else stream.pending.push(statement);
  }

  numericLabel(at: number, end: number): void {
    if (this.ignoring && this.#embedding === undefined) return;
    this.statements.begin();
    const block = this.#embedding ?? this.#blocks.stream.block;
    if (block !== undefined) this.#blocks.attach(block, this.statements.push(Statement.Label, at, end));
  }

  label(symbol: number, at: number, end: number, inAsm: boolean): void {
    this.statements.begin();
    const blocks = this.#blocks;
    if (this.#embedding !== undefined) {
      blocks.addInteriorLabel(this.#embedding, symbol, at, end);
      return;
    }
    if (this.ignoring) return;
    const { stream } = blocks;
    const { block } = stream;
    const start = this.names.starts.at(symbol);
    const hidden = this.bytes[start] === DOT && this.bytes[start + 1] === CAPITAL_L;
    if (stream.section.use === 'code') {
      if (stream.open && block !== undefined) {
        const another = !hidden && !inAsm && (this.#symbols.flagsOf(symbol) & SYMBOL.function) !== 0;
        if (!another) {
          blocks.addInteriorLabel(block, symbol, at, end);
          return;
        }
        if (block.contents === 0) {
          blocks.addLabel(block, symbol, at, end);
          return;
        }
      } else if (hidden) {
        stream.pendingLabels.push(symbol, at, end);
        return;
      }
      blocks.open('function', symbol, at, end, inAsm);
      stream.open = true;
      return;
    }
    if (block !== undefined && stream.pending.length === 0 && block.contents === 0 && !block.common) {
      blocks.addLabel(block, symbol, at, end);
      return;
    }
    const starts = stream.section.use !== 'exceptions' || !hidden || this.#exceptionTables.has(symbol);
    if (block !== undefined && !starts) {
      blocks.flushPending(block);
      blocks.addInteriorLabel(block, symbol, at, end);
      return;
    }
    blocks.open('variable', symbol, at, end, inAsm);
  }

  /** `name = expression`, with the expression's references collected since begin(). */
  alias(symbol: number, at: number, expressionAt: number, end: number, inAsm: boolean): void {
    const expression = textOf(this.bytes, expressionAt, end).trim();
    if (inAsm && this.inFunction) {
      const block = this.#embedding ?? this.#blocks.stream.block!;
      this.#symbols.define(symbol, block.id, block.contents, SYMBOL.interior);
      this.content(Statement.Content, at, end, inAsm);
      return;
    }
    const isHere = /^\.(\s*\+\s*0)?$/.test(expression);
    if (isHere && this.statements.refSymbol.length === this.statements.firstRef) {
      this.label(symbol, at, end, inAsm);
      return;
    }
    this.#directives.alias(symbol, at, end, expression);
  }

  attribute(directive: Directive, at: number, end: number, inAsm: boolean): void {
    this.#directives.read(directive, at, end, inAsm);
  }

  /** A section switch that inline asm makes within a function. */
  embeddedSwitch(at: number, end: number, section: Section): void {
    this.statements.begin();
    if (this.#embedding === undefined) {
      this.#embedding = this.#blocks.stream.block!;
      this.#embeddingKey = this.#blocks.stream;
    }
    const statement = this.statements.push(Statement.Switch, at, end);
    this.#switches.set(statement, section);
    this.#blocks.attach(this.#embedding, statement);
    this.#embedding.contents++;
    if (section === this.#embeddingKey!.section) {
      this.#embedding = undefined;
      this.#embeddingKey = undefined;
    }
  }

  syntax(at: number, end: number): void {
    this.statements.begin();
    if (this.#blocks.stream.open) {
      this.content(Statement.Content, at, end, true);
      return;
    }
    this.#syntax = textOf(this.bytes, at, end);
  }

  /** Inside of a function, inline asm chose for itself. */
  mode(at: number, end: number, inAsm: boolean): void {
    this.statements.begin();
    if (inAsm && this.#blocks.stream.open) this.content(Statement.Content, at, end, true);
    else this.#modes.note(at, textOf(this.bytes, at, end));
  }

  noteFileScopeAsm(from: number, to: number): void {
    const text = textOf(this.bytes, from, to);
    const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*(#|\/\/ \d)/.test(line));
    this.#asm.push({ text: lines.join('\n'), at: from });
    this.#blocks.stream.open = false;
  }

  noteMacro(from: number, to: number): void {
    this.#macros.push(textOf(this.bytes, from, to));
  }

  odd(kind: string, what: string, at: number): void {
    this.#oddities.push({ kind, what, at, block: this.#blocks.stream.block?.id ?? -1 });
    this.#embedding = undefined;
    this.#embeddingKey = undefined;
  }

  finish(sections: Iterable<Section>): AsmUnit {
    const { statements, names } = this;
    const symbols = this.#symbols;
    const { aliases, versions, sizes } = this.#directives;
    const blocks = this.#blocks.all;
    statements.refs.push(statements.refSymbol.length);
    symbols.reserve(names.length - 1);
    const count = names.length;
    const flags = symbols.flags.values.slice(0, count);
    for (let i = 0; i < count; i++) {
      const start = names.starts.values[i]!;
      if (this.bytes[start] === DOT && this.bytes[start + 1] === CAPITAL_L) flags[i]! |= SYMBOL.private;
    }
    for (const block of blocks) {
      for (const label of block.labels) block.size = Math.max(block.size, sizes.get(label) ?? 0);
    }
    const unit = new AsmUnit({
      name: this.name,
      assembly: this.assembly,
      bytes: this.bytes,
      names,
      statementStart: statements.start,
      statementEnd: statements.end,
      statementKind: statements.kind,
      statementRefs: statements.refs,
      refStart: statements.refStart,
      refEnd: statements.refEnd,
      refSymbol: statements.refSymbol,
      flags,
      symbolBlock: symbols.block.values.slice(0, count),
      symbolOrdinal: symbols.ordinal.values.slice(0, count),
      blocks,
      aliases,
      fileScopeAsm: this.#asm,
      versions,
      oddities: this.#oddities,
      macros: this.#macros,
      switches: this.#switches,
      syntax: this.#syntax,
      modes: this.#modes.list,
      fat: [...sections].some((section) => section.use === 'fat'),
    });
    linkBlocks(unit, blocks);
    return unit;
  }
}
