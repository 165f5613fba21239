/** Statements and the references in them, as columns that grow while a text is read. */
import { Column } from './column.ts';
import { Statement } from './unit.ts';

export class StatementColumns {
  readonly start: Column;
  readonly end: Column;
  readonly kind: Column;
  /** First reference of each statement. */
  readonly refs: Column;
  readonly refStart: Column;
  readonly refEnd: Column;
  readonly refSymbol: Column;
  /** Where the references of the next statement begin. */
  firstRef = 0;

  /** @param length bytes of the text, for a guess at the number of statements */
  constructor(length: number) {
    const guess = Math.min(1 << 20, 1024 + (length >> 4));
    this.start = new Column(guess);
    this.end = new Column(guess);
    this.kind = new Column(guess);
    this.refs = new Column(guess);
    this.refStart = new Column(guess);
    this.refEnd = new Column(guess);
    this.refSymbol = new Column(guess);
  }

  /** References from here on belong to the next statement. */
  begin(): void {
    this.firstRef = this.refSymbol.length;
  }

  /** Forgets the references since begin(). */
  drop(): void {
    this.refStart.length = this.firstRef;
    this.refEnd.length = this.firstRef;
    this.refSymbol.length = this.firstRef;
  }

  addReference(start: number, end: number, symbol: number): void {
    this.refStart.push(start);
    this.refEnd.push(end);
    this.refSymbol.push(symbol);
  }

  /** A label, which leaves the references since begin() to the statement that comes next; its number. */
  pushLabel(at: number, end: number): number {
    const { firstRef } = this;
    const statement = this.push(Statement.Label, at, end);
    this.firstRef = firstRef;
    return statement;
  }

  /** A statement with the references since begin(); its number. */
  push(kind: Statement, at: number, end: number): number {
    const { kind: kinds, start, end: ends, refs } = this;
    const statement = kinds.length;
    if (statement === kinds.values.length) for (const column of [kinds, start, ends, refs]) column.grow();
    kinds.values[statement] = kind;
    start.values[statement] = at;
    ends.values[statement] = end;
    refs.values[statement] = this.firstRef;
    kinds.length = start.length = ends.length = refs.length = statement + 1;
    this.firstRef = this.refSymbol.length;
    return statement;
  }
}
