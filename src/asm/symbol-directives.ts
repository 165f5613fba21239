/** What directives say about symbols: binding, visibility, type, size, common storage, other names. */
import { SutureError } from '../base/errors.ts';
import { Directive } from './directive.ts';
import { sizeIn, symbolsIn, typeBitsIn } from './directive-arguments.ts';
import type { GrowingBlocks } from './growing-block.ts';
import { type Names, SPACE, TAB, textOf } from './lex.ts';
import { type Section, splitArguments } from './section.ts';
import type { StatementColumns } from './statement-columns.ts';
import type { SymbolFacts } from './symbol-facts.ts';
import { type Alias, Statement, SYMBOL } from './unit.ts';

/** Directives that mark every symbol in their list. */
const MARKS: ReadonlyMap<Directive, number> = new Map([
  [Directive.Global, SYMBOL.global],
  [Directive.Weak, SYMBOL.weak],
  [Directive.Local, SYMBOL.local],
  [Directive.Visibility, SYMBOL.hidden],
]);

export class SymbolDirectives {
  readonly aliases = new Map<number, Alias>();
  /** Arguments of .symver directives, without blanks. */
  readonly versions: string[] = [];
  /** Bytes, by symbol. */
  readonly sizes = new Map<number, number>();

  constructor(
    /** How messages call the unit. */
    readonly unit: string,
    readonly names: Names,
    readonly statements: StatementColumns,
    readonly symbols: SymbolFacts,
    readonly blocks: GrowingBlocks,
  ) {}

  /** @throws SutureError BAD_FORMAT for the .size of a function whose label was not found */
  read(directive: Directive, at: number, end: number, inAsm: boolean): void {
    const { bytes } = this.names;
    let from = at;
    while (from < end && bytes[from] !== SPACE && bytes[from] !== TAB) from++;
    const marks = MARKS.get(directive);
    const [symbol, target] = symbolsIn(this.names, from, marks === undefined ? end : from);
    if (marks !== undefined) {
      for (const each of symbolsIn(this.names, from, end)) this.symbols.mark(each, marks);
    } else if (directive === Directive.Version) {
      this.versions.push(textOf(bytes, from, end).replace(/\s+/g, ''));
    } else if (symbol === undefined) {
      return;
    } else if (directive === Directive.Type) {
      this.symbols.mark(symbol, typeBitsIn(bytes, from, end));
    } else if (directive === Directive.Size) {
      this.#size(symbol, sizeIn(bytes, from, end));
    } else if (directive === Directive.Common || directive === Directive.LocalCommon) {
      this.#common(symbol, splitArguments(textOf(bytes, from, end)), directive, inAsm);
    } else if (directive === Directive.WeakReference && target !== undefined) {
      this.#weakReference(symbol, target, at, end);
    }
  }

  /** `name = expression`, with the expression's references collected since begin(). */
  alias(symbol: number, at: number, end: number, expression: string): void {
    const { statements } = this;
    const isSingle = statements.refSymbol.length - statements.firstRef === 1;
    const target = isSingle ? statements.refSymbol.at(statements.firstRef) : -1;
    const sum = /^"?[^\s"+-]+"?\s*(?:([+-])\s*(\d+|0x[0-9a-fA-F]+))?$/.exec(expression);
    const addend = target < 0 || sum === null ? undefined : Number(sum[2] ?? 0) * (sum[1] === '-' ? -1 : 1);
    const statement = statements.push(Statement.Alias, at, end);
    this.aliases.set(symbol, { symbol, statement, target, addend, expression });
    this.symbols.define(symbol, -1, 0, SYMBOL.alias);
  }

  #weakReference(symbol: number, target: number, at: number, end: number): void {
    const { names, statements } = this;
    statements.begin();
    statements.addReference(names.starts.at(target), names.ends.at(target), target);
    const statement = statements.push(Statement.Alias, at, end);
    this.aliases.set(symbol, { symbol, statement, target, addend: 0, expression: names.text(target) });
    this.symbols.define(symbol, -1, 0, SYMBOL.alias | SYMBOL.weakReference);
  }

  #size(symbol: number, size: number | undefined): void {
    if (size !== undefined) this.sizes.set(symbol, size);
    if ((this.symbols.flagsOf(symbol) & (SYMBOL.function | SYMBOL.defined)) === SYMBOL.function) {
      // Never take a text for empty because its reader lost its place.
      const name = this.names.text(symbol);
      throw new SutureError(
        'BAD_FORMAT',
        `${this.unit}: .size of the function ${name}, whose label was not found`,
      );
    }
    this.blocks.close(this.symbols.blockOf(symbol));
  }

  #common(symbol: number, args: readonly string[], directive: Directive, inAsm: boolean): void {
    const { symbols } = this;
    if (directive === Directive.LocalCommon) symbols.mark(symbol, SYMBOL.local);
    // `.comm` without a `.local` before it makes a global symbol (gas manual, ".comm symbol , length").
    else if ((symbols.flagsOf(symbol) & SYMBOL.local) === 0) symbols.mark(symbol, SYMBOL.global);
    const thread = (symbols.flagsOf(symbol) & SYMBOL.thread) !== 0;
    const section: Section = {
      name: thread ? '.tbss' : '.bss',
      group: '',
      flags: thread ? 'awT' : 'aw',
      use: thread ? 'thread' : 'zero',
      relro: false,
      standard: true,
    };
    this.blocks.addCommon(section, symbol, Number(args[1] ?? 0), Number(args[2] ?? 1) || 1, inAsm);
  }
}
