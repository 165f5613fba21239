/** Prints a block's statements with symbols under other names. */
import { CLASS, MINUS, SPACE, TAB, textOf, WORD_START } from './lex.ts';
import type { Section } from './section.ts';
import { type AsmUnit, type Block, Statement, SYMBOL } from './unit.ts';

export class StatementWriter {
  readonly #unit: AsmUnit;

  constructor(
    unit: AsmUnit,
    /** Name of a symbol; `internal` in a difference, where only the place in the same text makes sense. */
    readonly nameOf: (symbol: number, internal: boolean) => string,
  ) {
    this.#unit = unit;
  }

  /** What stands before the first label, alignment left out. */
  writeLead(block: Block, lines: string[]): void {
    for (const statement of block.lead) {
      if (this.#unit.parts.statementKind.at(statement) === Statement.Align) continue;
      lines.push(`\t${this.statement(statement)}`);
    }
  }

  /** Everything after the labels at the block's start. */
  writeBody(block: Block, lines: string[]): void {
    const { statementKind, switches } = this.#unit.parts;
    let skipping = false;
    for (let r = 0; r < block.ranges.length; r += 2) {
      for (let s = block.ranges[r]!; s < block.ranges[r + 1]!; s++) {
        const kind = statementKind.at(s);
        if (kind === Statement.Switch) {
          const section = switches.get(s)!;
          skipping = section.use === 'ignored';
          lines.push(...this.#switch(s, section, block));
        } else if (skipping) {
          // Notes about the code are left out.
        } else if (kind === Statement.Label) {
          this.#label(s, block, lines);
        } else lines.push(`\t${this.statement(s)}`);
      }
    }
  }

  /** One statement's text. */
  statement(statement: number): string {
    const { bytes, statementStart, statementEnd, statementRefs, refStart, refEnd, refSymbol } =
      this.#unit.parts;
    let from = statementStart.at(statement);
    let text = '';
    for (let r = statementRefs.at(statement); r < statementRefs.at(statement + 1); r++) {
      const symbol = refSymbol.at(r);
      const start = refStart.at(r);
      const end = refEnd.at(r);
      const name = this.nameOf(symbol, isInDifference(bytes, start, end));
      if (name === this.#unit.symbolName(symbol)) continue;
      text += textOf(bytes, from, start) + (bytes[start] === 34 ? `"${name}"` : name);
      from = end;
    }
    return text + textOf(bytes, from, statementEnd.at(statement));
  }

  #label(statement: number, block: Block, lines: string[]): void {
    const text = this.#unit.statementText(statement);
    const name = text.replace(/\s*:$/, '').replace(/^"|"$/g, '');
    const symbol = /^\d/.test(name) ? -1 : this.#unit.symbol(name);
    if (symbol >= 0 && block.labels.includes(symbol)) return;
    if (symbol < 0 || this.#unit.is(symbol, SYMBOL.private)) lines.push(text);
    else lines.push(`${this.nameOf(symbol, true)}:`);
  }

  /** The section of the patch to which inline asm switches. Code beside the function goes behind the functions. */
  #switch(statement: number, section: Section, block: Block): string[] {
    const text = this.#unit.statementText(statement);
    const word = /^\.\w+/.exec(text)?.[0] ?? '';
    if (['.popsection', '.previous', '.subsection'].includes(word)) return [`\t${text}`];
    const push = word === '.pushsection' ? '.pushsection' : '.section';
    const type = `${this.#unit.parts.assembly.typePrefix}progbits`;
    if (section.use === 'ignored') return [`\t${push}\t.comment`];
    if (section.use === 'code') {
      if (section === block.section) return [`\t${push}\t.kpatch.text,"ax",${type}`];
      if (push === '.pushsection') return [`\t.pushsection\t.kpatch.text,1,"ax",${type}`];
      return [`\t.section\t.kpatch.text,"ax",${type}`, '\t.subsection\t1'];
    }
    const name = section.use === 'constant' ? '.kpatch.rodata,"a"' : '.kpatch.data,"aw"';
    return [`\t${push}\t${name},${type}`];
  }
}

/** Whether a symbol stands right after or right before a minus: a distance between two places. */
function isInDifference(bytes: Uint8Array, start: number, end: number): boolean {
  let before = start - 1;
  while (bytes[before] === SPACE || bytes[before] === TAB) before--;
  if (bytes[before] === MINUS) return true;
  let after = end;
  while (bytes[after] === SPACE || bytes[after] === TAB) after++;
  if (bytes[after] !== MINUS) return false;
  after++;
  while (bytes[after] === SPACE || bytes[after] === TAB) after++;
  return (CLASS[bytes[after] ?? 0]! & WORD_START) !== 0;
}
