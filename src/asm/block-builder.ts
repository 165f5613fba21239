/** Puts statements into blocks while a text is read, and links the blocks when it has been read. */
import type { Assembly } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { blockStorage, type GrowingBlock, linkBlocks } from './block-link.ts';
import { Column } from './column.ts';
import { Directive } from './directive.ts';
import { CAPITAL_L, CLASS, COMMA, DOT, Names, QUOTE, SPACE, TAB, textOf, WORD } from './lex.ts';
import { type Section, splitArguments } from './section.ts';
import {
  type Alias,
  AsmUnit,
  type FileScopeAsm,
  type Oddity,
  Statement,
  SYMBOL,
  type UnitParts,
} from './unit.ts';

/** The place in one section at which the text goes on when the section is entered again. */
interface Stream {
  readonly section: Section;
  block: GrowingBlock | undefined;
  /** A function whose .size has not been seen. */
  open: boolean;
  /** CFI has started and not ended. */
  framed: boolean;
  /** Alignment and start of CFI that belong to whatever comes next. */
  pending: number[];
  pendingLabels: number[];
}

export class BlockBuilder {
  readonly refStart: Column;
  readonly refEnd: Column;
  readonly refSymbol: Column;
  readonly #start: Column;
  readonly #end: Column;
  readonly #kind: Column;
  readonly #refs: Column;
  readonly #flags = new Column(4096);
  readonly #symbolBlock = new Column(4096);
  readonly #symbolOrdinal = new Column(4096);
  readonly #blocks: GrowingBlock[] = [];
  readonly #streams = new Map<string, Stream>();
  readonly #sizes = new Map<number, number>();
  readonly #exceptionTables = new Set<number>();
  readonly #aliases = new Map<number, Alias>();
  readonly #asm: FileScopeAsm[] = [];
  readonly #versions: string[] = [];
  readonly #oddities: Oddity[] = [];
  readonly #macros: string[] = [];
  readonly #switches = new Map<number, Section>();
  #syntax = '';
  #stream!: Stream;
  #firstRef = 0;
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
    const guess = Math.min(1 << 20, 1024 + (bytes.length >> 4));
    this.refStart = new Column(guess);
    this.refEnd = new Column(guess);
    this.refSymbol = new Column(guess);
    this.#start = new Column(guess);
    this.#end = new Column(guess);
    this.#kind = new Column(guess);
    this.#refs = new Column(guess);
  }

  get inFunction(): boolean {
    return this.#embedding !== undefined || (this.#stream.open && !this.#stream.block!.fileScopeAsm);
  }

  enter(key: string, section: Section): void {
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = { section, block: undefined, open: false, framed: false, pending: [], pendingLabels: [] };
      this.#streams.set(key, stream);
    }
    this.#stream = stream;
    this.ignoring = section.use === 'ignored' || section.use === 'fat';
  }

  /** References from here on belong to the next statement. */
  begin(): void {
    this.#firstRef = this.refSymbol.length;
  }

  content(kind: Statement, at: number, end: number, inAsm: boolean): void {
    if (this.ignoring && this.#embedding === undefined) {
      this.#drop();
      return;
    }
    const block = this.#blockForContent(inAsm);
    this.#attach(block, this.#push(kind, at, end));
    block.contents++;
  }

  align(at: number, operands: number, end: number, inAsm: boolean): void {
    if (this.#embedding !== undefined) {
      this.content(Statement.Content, at, end, inAsm);
      return;
    }
    if (this.ignoring) {
      this.#drop();
      return;
    }
    const stream = this.#stream;
    const bytes = this.#alignment(at, operands, end);
    if (stream.open) {
      const block = stream.block!;
      block.align = Math.max(block.align, Math.min(bytes, 64));
      const statement = this.#push(inAsm ? Statement.Content : Statement.Align, at, end);
      this.#attach(block, statement);
      if (inAsm) block.contents++;
      return;
    }
    stream.pending.push(this.#push(Statement.Align, at, end));
  }

  frame(at: number, end: number): void {
    if (this.ignoring || this.#stream.section.use !== 'code') {
      this.#drop();
      return;
    }
    const stream = this.#stream;
    const starts = this.bytes[at + 5] === 115 && this.bytes[at + 6] === 116; // .cfi_st|artproc
    const ends = this.bytes[at + 5] === 101 && this.bytes[at + 6] === 110; //   .cfi_en|dproc
    const statement = this.#push(Statement.Frame, at, end);
    if (stream.open || (stream.framed && stream.block !== undefined && !starts)) {
      this.#attach(stream.block!, statement);
    } else {
      stream.pending.push(statement);
    }
    if (starts) stream.framed = true;
    if (ends) stream.framed = false;
  }

  frameReference(at: number, end: number): void {
    if (this.ignoring || this.#stream.section.use !== 'code') {
      this.#drop();
      return;
    }
    for (let i = this.#firstRef; i < this.refSymbol.length; i++) {
      this.#exceptionTables.add(this.refSymbol.at(i));
    }
    const statement = this.#push(Statement.FrameReference, at, end);
    const stream = this.#stream;
    if (stream.open) {
      this.#attach(stream.block!, statement);
      stream.block!.contents++;
    } else stream.pending.push(statement);
  }

  numericLabel(at: number, end: number): void {
    if (this.ignoring && this.#embedding === undefined) return;
    this.begin();
    const block = this.#embedding ?? this.#stream.block;
    if (block !== undefined) this.#attach(block, this.#push(Statement.Label, at, end));
  }

  label(symbol: number, at: number, end: number, inAsm: boolean): void {
    this.begin();
    if (this.#embedding !== undefined) {
      this.#interiorLabel(this.#embedding, symbol, at, end);
      return;
    }
    if (this.ignoring) return;
    const stream = this.#stream;
    const start = this.names.starts.at(symbol);
    const hidden = this.bytes[start] === DOT && this.bytes[start + 1] === CAPITAL_L;
    if (stream.section.use === 'code') {
      const block = stream.block;
      if (stream.open && block !== undefined) {
        const another = !hidden && !inAsm && (this.#flagsOf(symbol) & SYMBOL.function) !== 0;
        if (!another) {
          this.#interiorLabel(block, symbol, at, end);
          return;
        }
        if (block.contents === 0) {
          this.#addLabel(block, symbol, at, end);
          return;
        }
      } else if (hidden) {
        stream.pendingLabels.push(symbol, at, end);
        return;
      }
      this.#open('function', symbol, at, end, inAsm);
      stream.open = true;
      return;
    }
    const block = stream.block;
    if (block !== undefined && stream.pending.length === 0 && block.contents === 0 && !block.common) {
      this.#addLabel(block, symbol, at, end);
      return;
    }
    const starts = stream.section.use !== 'exceptions' || !hidden || this.#exceptionTables.has(symbol);
    if (block !== undefined && !starts) {
      this.#flushPending(block);
      this.#interiorLabel(block, symbol, at, end);
      return;
    }
    this.#open('variable', symbol, at, end, inAsm);
  }

  /** `name = expression`, with the expression's references collected since begin(). */
  alias(symbol: number, at: number, expressionAt: number, end: number, inAsm: boolean): void {
    const expression = textOf(this.bytes, expressionAt, end).trim();
    if (inAsm && this.inFunction) {
      const block = this.#embedding ?? this.#stream.block!;
      this.#define(symbol, block.id, block.contents, SYMBOL.interior);
      this.content(Statement.Content, at, end, inAsm);
      return;
    }
    const references = this.refSymbol.length - this.#firstRef;
    if (references === 0 && /^\.(\s*\+\s*0)?$/.test(expression)) {
      this.label(symbol, at, end, inAsm);
      return;
    }
    const target = references === 1 ? this.refSymbol.at(this.#firstRef) : -1;
    const sum = /^"?[^\s"+-]+"?\s*(?:([+-])\s*(\d+|0x[0-9a-fA-F]+))?$/.exec(expression);
    const addend = target < 0 || sum === null ? undefined : Number(sum[2] ?? 0) * (sum[1] === '-' ? -1 : 1);
    const statement = this.#push(Statement.Alias, at, end);
    this.#aliases.set(symbol, { symbol, statement, target, addend, expression });
    this.#define(symbol, -1, 0, SYMBOL.alias);
  }

  attribute(directive: Directive, at: number, end: number, inAsm: boolean): void {
    const { bytes } = this;
    let from = at;
    while (from < end && bytes[from] !== SPACE && bytes[from] !== TAB) from++;
    switch (directive) {
      case Directive.Global:
        for (const symbol of this.#symbols(from, end)) this.#mark(symbol, SYMBOL.global);
        break;
      case Directive.Weak:
        for (const symbol of this.#symbols(from, end)) this.#mark(symbol, SYMBOL.weak);
        break;
      case Directive.Local:
        for (const symbol of this.#symbols(from, end)) this.#mark(symbol, SYMBOL.local);
        break;
      case Directive.Visibility:
        for (const symbol of this.#symbols(from, end)) this.#mark(symbol, SYMBOL.hidden);
        break;
      case Directive.Type:
        this.#type(this.#symbols(from, end)[0], from, end);
        break;
      case Directive.Size:
        this.#size(this.#symbols(from, end)[0], from, end);
        break;
      case Directive.Common:
      case Directive.LocalCommon:
        this.#common(this.#symbols(from, end)[0], splitArguments(textOf(bytes, from, end)), directive, inAsm);
        break;
      case Directive.WeakReference: {
        const [symbol, target] = this.#symbols(from, end);
        if (symbol === undefined || target === undefined) break;
        this.begin();
        this.refStart.push(this.names.starts.at(target));
        this.refEnd.push(this.names.ends.at(target));
        this.refSymbol.push(target);
        const statement = this.#push(Statement.Alias, at, end);
        const expression = this.names.text(target);
        this.#aliases.set(symbol, { symbol, statement, target, addend: 0, expression });
        this.#define(symbol, -1, 0, SYMBOL.alias | SYMBOL.weakReference);
        break;
      }
      case Directive.Version:
        this.#versions.push(textOf(bytes, from, end).replace(/\s+/g, ''));
        break;
    }
  }

  /** A section switch that inline asm makes within a function. */
  embeddedSwitch(at: number, end: number, section: Section): void {
    this.begin();
    if (this.#embedding === undefined) {
      this.#embedding = this.#stream.block!;
      this.#embeddingKey = this.#stream;
    }
    const statement = this.#push(Statement.Switch, at, end);
    this.#switches.set(statement, section);
    this.#attach(this.#embedding, statement);
    this.#embedding.contents++;
    if (section === this.#embeddingKey!.section) {
      this.#embedding = undefined;
      this.#embeddingKey = undefined;
    }
  }

  syntax(at: number, end: number): void {
    this.begin();
    const stream = this.#stream;
    if (stream.open) {
      this.content(Statement.Content, at, end, true);
      return;
    }
    this.#syntax = textOf(this.bytes, at, end);
  }

  noteFileScopeAsm(from: number, to: number, sourceLine: number | undefined): void {
    const text = textOf(this.bytes, from, to);
    const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*#/.test(line));
    this.#asm.push({ text: lines.join('\n'), sourceLine, at: from });
    this.#stream.open = false;
  }

  noteMacro(from: number, to: number): void {
    this.#macros.push(textOf(this.bytes, from, to));
  }

  odd(kind: string, what: string, at: number, sourceLine: number | undefined): void {
    this.#oddities.push({ kind, what, at, sourceLine, block: this.#stream.block?.id ?? -1 });
    this.#embedding = undefined;
    this.#embeddingKey = undefined;
  }

  finish(sections: Iterable<Section>): AsmUnit {
    this.#refs.push(this.refSymbol.length);
    this.#reserve(this.names.length - 1);
    const count = this.names.length;
    const flags = this.#flags.values.slice(0, count);
    for (let i = 0; i < count; i++) {
      const start = this.names.starts.values[i]!;
      if (this.bytes[start] === DOT && this.bytes[start + 1] === CAPITAL_L) flags[i]! |= SYMBOL.private;
    }
    const parts: UnitParts = {
      name: this.name,
      assembly: this.assembly,
      bytes: this.bytes,
      names: this.names,
      statementStart: this.#start,
      statementEnd: this.#end,
      statementKind: this.#kind,
      statementRefs: this.#refs,
      refStart: this.refStart,
      refEnd: this.refEnd,
      refSymbol: this.refSymbol,
      flags,
      symbolBlock: this.#symbolBlock.values.slice(0, count),
      symbolOrdinal: this.#symbolOrdinal.values.slice(0, count),
      blocks: this.#blocks,
      aliases: this.#aliases,
      fileScopeAsm: this.#asm,
      versions: this.#versions,
      oddities: this.#oddities,
      macros: this.#macros,
      switches: this.#switches,
      syntax: this.#syntax,
      fat: [...sections].some((section) => section.use === 'fat'),
    };
    const unit = new AsmUnit(parts);
    for (const block of this.#blocks) {
      for (const label of block.labels) block.size = Math.max(block.size, this.#sizes.get(label) ?? 0);
    }
    linkBlocks(unit, this.#blocks);
    return unit;
  }

  #drop(): void {
    this.refStart.length = this.#firstRef;
    this.refEnd.length = this.#firstRef;
    this.refSymbol.length = this.#firstRef;
  }

  #push(kind: Statement, at: number, end: number): number {
    this.#start.push(at);
    this.#end.push(end);
    this.#refs.push(this.#firstRef);
    this.#firstRef = this.refSymbol.length;
    return this.#kind.push(kind);
  }

  #attach(block: GrowingBlock, statement: number): void {
    const { ranges } = block;
    if (ranges.length > 0 && ranges[ranges.length - 1] === statement) ranges[ranges.length - 1]!++;
    else ranges.push(statement, statement + 1);
  }

  #blockForContent(inAsm: boolean): GrowingBlock {
    if (this.#embedding !== undefined) return this.#embedding;
    const stream = this.#stream;
    const block = stream.block;
    if (stream.open) return block!;
    const code = stream.section.use === 'code';
    const entries = stream.section.use === 'starters';
    if (
      block !== undefined &&
      stream.pendingLabels.length === 0 &&
      !(code && block.kind === 'function') &&
      !entries &&
      block.fileScopeAsm === inAsm
    ) {
      this.#flushPending(block);
      return block;
    }
    const labels = stream.pendingLabels;
    if (labels.length > 0) {
      stream.pendingLabels = [];
      const opened = this.#open('variable', labels[0]!, labels[1]!, labels[2]!, inAsm);
      for (let i = 3; i < labels.length; i += 3) {
        this.#addLabel(opened, labels[i]!, labels[i + 1]!, labels[i + 2]!);
      }
      return opened;
    }
    return this.#newBlock('loose', inAsm);
  }

  /** Alignment in the middle of a block's data. */
  #flushPending(block: GrowingBlock): void {
    for (const statement of this.#stream.pending) {
      this.#kind.values[statement] = Statement.Content;
      this.#attach(block, statement);
      block.contents++;
    }
    this.#stream.pending = [];
  }

  #newBlock(kind: GrowingBlock['kind'], inAsm: boolean): GrowingBlock {
    const stream = this.#stream;
    const block = blockStorage(this.#blocks.length, stream.section, kind, inAsm);
    for (const statement of stream.pending) {
      block.lead.push(statement);
      if (this.#kind.at(statement) !== Statement.Align) continue;
      const at = this.#start.at(statement);
      let operands = at;
      while (this.bytes[operands] !== SPACE && this.bytes[operands] !== TAB) operands++;
      block.align = Math.max(block.align, this.#alignment(at, operands, this.#end.at(statement)));
    }
    stream.pending = [];
    stream.block = block;
    this.#blocks.push(block);
    return block;
  }

  #open(kind: GrowingBlock['kind'], symbol: number, at: number, end: number, inAsm: boolean): GrowingBlock {
    const block = this.#newBlock(kind, inAsm);
    const labels = this.#stream.pendingLabels;
    this.#stream.pendingLabels = [];
    for (let i = 0; i < labels.length; i += 3) {
      this.#addLabel(block, labels[i]!, labels[i + 1]!, labels[i + 2]!);
    }
    this.#addLabel(block, symbol, at, end);
    return block;
  }

  #addLabel(block: GrowingBlock, symbol: number, at: number, end: number): void {
    block.labels.push(symbol);
    this.#define(symbol, block.id, 0, 0);
    this.#attach(block, this.#push(Statement.Label, at, end));
  }

  #interiorLabel(block: GrowingBlock, symbol: number, at: number, end: number): void {
    this.#define(symbol, block.id, block.contents, SYMBOL.interior);
    this.#attach(block, this.#push(Statement.Label, at, end));
  }

  #reserve(symbol: number): void {
    while (this.#flags.length <= symbol) {
      this.#flags.push(0);
      this.#symbolBlock.push(-1);
      this.#symbolOrdinal.push(0);
    }
  }

  #flagsOf(symbol: number): number {
    this.#reserve(symbol);
    return this.#flags.values[symbol]!;
  }

  #mark(symbol: number, bits: number): void {
    this.#reserve(symbol);
    this.#flags.values[symbol]! |= bits;
  }

  #define(symbol: number, block: number, ordinal: number, bits: number): void {
    this.#mark(symbol, SYMBOL.defined | bits);
    this.#symbolBlock.values[symbol] = block;
    this.#symbolOrdinal.values[symbol] = ordinal;
  }

  /** Symbols in a list [from, end) separated by commas. */
  #symbols(from: number, end: number): number[] {
    const { bytes } = this;
    const found: number[] = [];
    let i = from;
    while (i < end) {
      while (i < end && (bytes[i] === SPACE || bytes[i] === TAB || bytes[i] === COMMA)) i++;
      if (bytes[i] === QUOTE) {
        let close = i + 1;
        while (close < end && bytes[close] !== QUOTE) close++;
        found.push(this.names.intern(i + 1, close, Names.hash(bytes, i + 1, close)));
        i = close + 1;
      } else {
        const start = i;
        while (i < end && (CLASS[bytes[i]!]! & WORD) !== 0) i++;
        if (i > start) found.push(this.names.intern(start, i, Names.hash(bytes, start, i)));
      }
      while (i < end && bytes[i] !== COMMA) i++;
    }
    return found;
  }

  #type(symbol: number | undefined, from: number, end: number): void {
    if (symbol === undefined) return;
    let start = end;
    while (start > from && (CLASS[this.bytes[start - 1]!]! & WORD) !== 0) start--;
    const last = this.bytes[end - 1] === QUOTE ? end - 1 : end;
    if (last < end) while (start > from && this.bytes[start - 1] !== QUOTE) start--;
    const type = textOf(this.bytes, start, last);
    if (/^(STT_)?FUNC(TION)?$/i.test(type)) this.#mark(symbol, SYMBOL.function);
    else if (/^(STT_GNU_IFUNC|gnu_indirect_function)$/.test(type)) {
      this.#mark(symbol, SYMBOL.function | SYMBOL.ifunc);
    } else if (/^(STT_)?TLS(_OBJECT)?$/i.test(type)) this.#mark(symbol, SYMBOL.thread);
    else if (type === 'gnu_unique_object') this.#mark(symbol, SYMBOL.object | SYMBOL.global);
    else if (/^(STT_)?(OBJECT|COMMON)$/i.test(type)) this.#mark(symbol, SYMBOL.object);
  }

  #size(symbol: number | undefined, from: number, end: number): void {
    if (symbol === undefined) return;
    this.#reserve(symbol);
    let digits = this.bytes.indexOf(COMMA, from) + 1;
    while (this.bytes[digits] === SPACE || this.bytes[digits] === TAB) digits++;
    if (digits > 0 && digits < end && this.bytes[digits] !== DOT) {
      const expression = textOf(this.bytes, digits, end);
      if (/^(\d+|0x[0-9a-fA-F]+)$/.test(expression)) this.#sizes.set(symbol, Number(expression));
    }
    const id = this.#symbolBlock.at(symbol);
    if ((this.#flagsOf(symbol) & (SYMBOL.function | SYMBOL.defined)) === SYMBOL.function) {
      // Never take a text for empty because its reader lost its place.
      const name = this.names.text(symbol);
      throw new SutureError(
        'BAD_FORMAT',
        `${this.name}: .size of the function ${name}, whose label was not found`,
      );
    }
    const stream = this.#stream;
    if (stream.open && stream.block?.id === id) stream.open = false;
    else if (id >= 0) {
      for (const other of this.#streams.values()) if (other.block?.id === id) other.open = false;
    }
  }

  #common(symbol: number | undefined, args: string[], directive: Directive, inAsm: boolean): void {
    if (symbol === undefined) return;
    if (directive === Directive.LocalCommon) this.#mark(symbol, SYMBOL.local);
    // `.comm` without a `.local` before it makes a global symbol (gas manual, ".comm symbol , length").
    else if ((this.#flagsOf(symbol) & SYMBOL.local) === 0) this.#mark(symbol, SYMBOL.global);
    const thread = (this.#flagsOf(symbol) & SYMBOL.thread) !== 0;
    const section: Section = {
      name: thread ? '.tbss' : '.bss',
      group: '',
      flags: thread ? 'awT' : 'aw',
      use: thread ? 'thread' : 'zero',
      relro: false,
      standard: true,
    };
    const block = blockStorage(this.#blocks.length, section, 'variable', inAsm);
    block.common = true;
    block.size = Number(args[1] ?? 0);
    block.align = Number(args[2] ?? 1) || 1;
    block.labels.push(symbol);
    this.#blocks.push(block);
    this.#define(symbol, block.id, 0, SYMBOL.object);
  }

  /** Bytes that an alignment directive asks for. */
  #alignment(at: number, operands: number, end: number): number {
    let i = operands;
    while (this.bytes[i] === SPACE || this.bytes[i] === TAB) i++;
    let value = 0;
    if (this.bytes[i] === 48 && this.bytes[i + 1] === 120) {
      value = Number.parseInt(textOf(this.bytes, i, end), 16) || 1;
    } else {
      for (let c = this.bytes[i]!; c >= 48 && c <= 57; c = this.bytes[++i]!) value = value * 10 + c - 48;
    }
    // .p2align N, and .align N where the CPU's dialect has it so, mean 2 to the power of N.
    const power = this.bytes[at + 1] === 112 || (this.bytes[at + 1] === 97 && this.assembly.alignIsPower);
    return power ? 2 ** Math.min(value, 30) : Math.max(value, 1);
  }
}
