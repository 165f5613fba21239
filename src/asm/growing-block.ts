/** Blocks while a text is read: which one is open in each section, and how statements and labels come to them. */
import type { Assembly } from '../arch/arch.ts';
import { alignmentIn } from './directive-arguments.ts';
import type { Section } from './section.ts';
import type { StatementColumns } from './statement-columns.ts';
import type { SymbolFacts } from './symbol-facts.ts';
import { type Block, Statement, SYMBOL } from './unit.ts';

export type GrowingBlock = {
  -readonly [K in keyof Block]: Block[K] extends readonly (infer E)[] ? E[] : Block[K];
};

/** The place in one section at which the text goes on when the section is entered again. */
export interface Stream {
  readonly section: Section;
  block: GrowingBlock | undefined;
  /** A function whose .size has not been seen. */
  open: boolean;
  /** CFI has started and not ended. */
  framed: boolean;
  /** Alignment and start of CFI that belong to whatever comes next. */
  pending: number[];
  /** Private labels before code that no function's label precedes: symbol, start and end of each. */
  pendingLabels: number[];
}

export class GrowingBlocks {
  readonly all: GrowingBlock[] = [];
  stream!: Stream;
  readonly #streams = new Map<string, Stream>();

  constructor(
    readonly bytes: Uint8Array,
    readonly assembly: Assembly,
    readonly statements: StatementColumns,
    readonly symbols: SymbolFacts,
  ) {}

  enter(key: string, section: Section): void {
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = { section, block: undefined, open: false, framed: false, pending: [], pendingLabels: [] };
      this.#streams.set(key, stream);
    }
    this.stream = stream;
  }

  attach(block: GrowingBlock, statement: number): void {
    const { ranges } = block;
    if (ranges.length > 0 && ranges[ranges.length - 1] === statement) ranges[ranges.length - 1]!++;
    else ranges.push(statement, statement + 1);
  }

  /** The block to which the next instruction or data belongs. */
  forContent(inAsm: boolean): GrowingBlock {
    const { stream } = this;
    const { block } = stream;
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
      this.flushPending(block);
      return block;
    }
    const labels = stream.pendingLabels;
    if (labels.length > 0) {
      stream.pendingLabels = [];
      const opened = this.open('variable', labels[0]!, labels[1]!, labels[2]!, inAsm);
      for (let i = 3; i < labels.length; i += 3) {
        this.addLabel(opened, labels[i]!, labels[i + 1]!, labels[i + 2]!);
      }
      return opened;
    }
    return this.#begin('loose', inAsm);
  }

  /** Alignment in the middle of a block's data. */
  flushPending(block: GrowingBlock): void {
    const { pending } = this.stream;
    if (pending.length === 0) return;
    for (const statement of pending) {
      this.statements.kind.values[statement] = Statement.Content;
      this.attach(block, statement);
      block.contents++;
    }
    this.stream.pending = [];
  }

  /** Begins a block at a label. */
  open(kind: GrowingBlock['kind'], symbol: number, at: number, end: number, inAsm: boolean): GrowingBlock {
    const block = this.#begin(kind, inAsm);
    const labels = this.stream.pendingLabels;
    if (labels.length > 0) {
      this.stream.pendingLabels = [];
      for (let i = 0; i < labels.length; i += 3) {
        this.addLabel(block, labels[i]!, labels[i + 1]!, labels[i + 2]!);
      }
    }
    this.addLabel(block, symbol, at, end);
    return block;
  }

  /** Common storage: no statements, only a symbol. */
  addCommon(section: Section, symbol: number, size: number, align: number, inAsm: boolean): void {
    const block = blockStorage(this.all.length, section, 'variable', inAsm);
    block.common = true;
    block.size = size;
    block.align = align;
    block.labels.push(symbol);
    this.all.push(block);
    this.symbols.define(symbol, block.id, 0, SYMBOL.object);
  }

  /** A label at the block's start. */
  addLabel(block: GrowingBlock, symbol: number, at: number, end: number): void {
    block.labels.push(symbol);
    this.symbols.define(symbol, block.id, 0, 0);
    this.attach(block, this.statements.pushLabel(at, end));
  }

  addInteriorLabel(block: GrowingBlock, symbol: number, at: number, end: number): void {
    this.symbols.define(symbol, block.id, block.contents, SYMBOL.interior);
    this.attach(block, this.statements.push(Statement.Label, at, end));
  }

  /** Ends the function with this id, wherever it is open. */
  close(id: number): void {
    const { stream } = this;
    if (stream.open && stream.block?.id === id) stream.open = false;
    else if (id >= 0) {
      for (const other of this.#streams.values()) if (other.block?.id === id) other.open = false;
    }
  }

  #begin(kind: GrowingBlock['kind'], inAsm: boolean): GrowingBlock {
    const { stream, statements } = this;
    const block = blockStorage(this.all.length, stream.section, kind, inAsm);
    if (stream.pending.length > 0) {
      for (const statement of stream.pending) {
        block.lead.push(statement);
        if (statements.kind.at(statement) !== Statement.Align) continue;
        const at = statements.start.at(statement);
        const end = statements.end.at(statement);
        block.align = Math.max(block.align, alignmentIn(this.bytes, at, end, this.assembly.alignIsPower));
      }
      stream.pending = [];
    }
    stream.block = block;
    this.all.push(block);
    return block;
  }
}

function blockStorage(
  id: number,
  section: Section,
  kind: Block['kind'],
  fileScopeAsm: boolean,
): GrowingBlock {
  return {
    id,
    section,
    kind,
    labels: [],
    lead: [],
    ranges: [],
    contents: 0,
    align: 1,
    size: 0,
    common: false,
    fileScopeAsm,
    root: id,
    parts: [],
    part: 0,
    labelTableOf: -1,
  };
}
