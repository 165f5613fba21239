/**
 * Writes an assembler text that holds only what a patch of one unit brings: new bodies of changed functions, new
 * functions and variables, and the private data that they need. Everything else is left undefined under the name that
 * it has in the original, to be resolved against the program.
 *
 * Sections: .kpatch.text, .kpatch.rodata, .kpatch.gcc_except_table, .kpatch.data, .kpatch.bss; .eh_frame comes from
 * the CFI directives that stay with their functions.
 */
import { SutureError } from '../base/errors.ts';
import type {
  ComposedFunction,
  ComposedReference,
  ComposedUnit,
  FunctionDifference,
  Reason,
  Selection,
  UnitDifference,
} from './difference.ts';
import { ContentWalk, isLocalConstant, throughAliases } from './match.ts';
import { modeAt } from './modes.ts';
import { pairKey } from './pair.ts';
import { StatementWriter } from './statement-writer.ts';
import { type AsmUnit, type Block, SYMBOL } from './unit.ts';

/**
 * @param selection functions to take; all changed and new ones if left out
 * @throws SutureError REFUSED for what cannot be part of a patch: new thread-local variables, labels inside functions
 *   that are not taken
 */
export function composeUnit(
  original: AsmUnit,
  patched: AsmUnit,
  difference: UnitDifference,
  selection?: Selection,
): ComposedUnit {
  return new Composer(original, patched, difference, selection).compose();
}

interface Taken {
  readonly block: Block;
  readonly name: string;
  readonly label: string;
  readonly difference: FunctionDifference;
  readonly original: Block | undefined;
}

class Composer {
  readonly #o: AsmUnit;
  readonly #p: AsmUnit;
  readonly #difference: UnitDifference;
  readonly #functions = new Map<number, Taken>();
  /** Data blocks that come along, by id. */
  readonly #data = new Set<number>();
  readonly #aliases = new Set<number>();
  readonly #references = new Map<string, ComposedReference>();
  /** Name in the composed text, by patched symbol, of what the text defines. */
  readonly #defined = new Map<number, string>();
  readonly #used = new Set<string>();
  readonly #work: Block[] = [];
  readonly #thread = new Set<number>();
  #mode = '';
  readonly #byPatchedName = new Map<string, FunctionDifference>();
  readonly #neighbours: ReadonlyMap<string, string>;

  constructor(original: AsmUnit, patched: AsmUnit, difference: UnitDifference, selection?: Selection) {
    this.#o = original;
    this.#p = patched;
    this.#difference = difference;
    this.#neighbours = selection?.neighbours ?? new Map();
    for (const entry of difference.functions) {
      if (entry.kind === 'removed') continue;
      this.#byPatchedName.set(entry.patchedName ?? entry.name, entry);
      if (selection !== undefined && !selection.functions.has(entry.name)) continue;
      const block = patched.blockOf(patched.symbol(entry.patchedName ?? entry.name));
      if (block?.kind === 'function') this.#takeFunction(block, entry);
    }
    for (const variable of difference.variables) {
      // Another unit of the patch may use a new variable that has external linkage.
      if (variable.kind !== 'new' || variable.linkage !== 'global') continue;
      const symbol = patched.symbol(variable.name);
      const block = patched.blockOf(symbol);
      if (block !== undefined && block.section.use !== 'thread') this.#takeData(block);
    }
  }

  compose(): ComposedUnit {
    for (let block = this.#work.pop(); block !== undefined; block = this.#work.pop()) {
      this.#noteThreadReferences(block);
      for (const symbol of this.#p.references(block)) this.#need(symbol, block);
    }
    const writer = new StatementWriter(this.#p, (symbol, internal) => this.#nameOf(symbol, internal));
    const lines: string[] = [];
    if (this.#p.parts.syntax !== '') lines.push(`\t${this.#p.parts.syntax}`);
    lines.push(...this.#p.parts.macros);
    const functions = [...this.#functions.values()].sort((a, b) => a.block.id - b.block.id);
    for (const taken of functions) this.#writeFunction(taken, writer, lines);
    const data = [...this.#data].sort((a, b) => a - b).map((id) => this.#p.parts.blocks[id]!);
    for (const block of data) this.#writeData(block, writer, lines);
    this.#writeAliases(lines);
    const references = [...this.#references.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { name, weak } of references) if (weak) lines.push(`\t.weak\t${quoted(name)}`);
    lines.push(`\t.section\t.note.GNU-stack,"",${this.#p.parts.assembly.typePrefix}progbits`, '');
    return {
      text: lines.join('\n'),
      functions: functions.map((taken) => this.#describe(taken)),
      newVariables: data
        .filter((block) => block.section.use !== 'exceptions')
        .map((block) => this.#defined.get(this.#p.blockSymbol(block)) ?? '')
        .filter(Boolean),
      references,
    };
  }

  /** The assembler makes a symbol thread-local by the operators it is used with; nothing else says so of a foreign one. */
  #noteThreadReferences(block: Block): void {
    const { assembly, statementRefs, refSymbol } = this.#p.parts;
    const walk = new ContentWalk(this.#p, block);
    for (let s = walk.next(); s >= 0; s = walk.next()) {
      const last = statementRefs.at(s + 1);
      if (statementRefs.at(s) === last || !assembly.threadOperator.test(this.#p.statementText(s))) continue;
      for (let r = statementRefs.at(s); r < last; r++) this.#thread.add(refSymbol.at(r));
    }
  }

  #describe({ block, name, label, difference, original }: Taken): ComposedFunction {
    const { blocks } = this.#p.parts;
    return {
      name,
      label,
      kind: original === undefined ? 'new' : 'changed',
      linkage: difference.linkage,
      reasons: [...difference.reasons, ...this.#neighbourReason(name)],
      parts: block.parts.map((id) => this.#defined.get(this.#p.blockSymbol(blocks[id]!))!),
      originalParts: (original?.parts ?? []).map((id) => {
        const part = this.#o.parts.blocks[id]!;
        return this.#o.symbolName(this.#o.blockSymbol(part));
      }),
    };
  }

  #neighbourReason(name: string): Reason[] {
    const of = this.#neighbours.get(name);
    return of === undefined ? [] : [{ kind: 'neighbour', of }];
  }

  #takeFunction(root: Block, difference: FunctionDifference): void {
    if (this.#functions.has(root.id)) return;
    const symbol = this.#p.blockSymbol(root);
    const counterpart = this.#difference.pairing.toOriginal[symbol]!;
    const changed = difference.kind === 'changed';
    const original = changed ? this.#o.blockOf(counterpart) : undefined;
    const label = changed
      ? this.#fresh(`${this.#o.symbolName(counterpart)}.kpatch`)
      : this.#newName(this.#p.symbolName(symbol));
    this.#defined.set(symbol, label);
    for (const other of root.labels) {
      if (other === symbol || this.#p.is(other, SYMBOL.private)) continue;
      const name = this.#p.symbolName(other);
      this.#defined.set(other, changed ? this.#fresh(`${name}.kpatch`) : this.#newName(name));
    }
    for (const id of root.parts) {
      for (const part of this.#p.parts.blocks[id]!.labels) {
        if (this.#p.is(part, SYMBOL.private)) continue;
        const name = this.#p.symbolName(part);
        this.#defined.set(part, changed ? this.#fresh(`${name}.kpatch`) : this.#newName(name));
      }
    }
    this.#functions.set(root.id, { block: root, name: difference.name, label, difference, original });
    this.#work.push(root, ...root.parts.map((id) => this.#p.parts.blocks[id]!));
  }

  #takeData(block: Block): void {
    if (this.#data.has(block.id)) return;
    this.#data.add(block.id);
    for (const label of block.labels) {
      if (!this.#p.is(label, SYMBOL.private))
        this.#defined.set(label, this.#newName(this.#p.symbolName(label)));
    }
    if (block.section.use === 'thread') {
      throw new SutureError(
        'REFUSED',
        `${this.#p.name}: the patch needs a new thread-local variable, ${this.#p.symbolName(block.labels[0]!)}`,
        { remedy: 'use a variable that is not thread-local, or an existing thread-local one' },
      );
    }
    this.#work.push(block);
  }

  /** A name that means nothing else in the original, nor here. */
  #newName(name: string): string {
    return this.#fresh(this.#o.symbol(name) >= 0 ? `${name}.kpatch` : name);
  }

  #fresh(name: string): string {
    let unique = name;
    for (let i = 2; this.#used.has(unique); i++) unique = `${name}${i}`;
    this.#used.add(unique);
    return unique;
  }

  /** Makes sure that the text has what `symbol` stands for, or that it is listed as left undefined. */
  #need(symbol: number, user: Block): void {
    const p = this.#p;
    if (p.is(symbol, SYMBOL.alias)) {
      this.#needAlias(symbol, user);
      return;
    }
    const block = p.blockOf(symbol);
    if (block === undefined) {
      this.#refer(symbol);
      return;
    }
    if (block.kind === 'function') {
      this.#needFunction(symbol, block, user);
      return;
    }
    if (this.#data.has(block.id)) return;
    if (block.fileScopeAsm) {
      if (p.is(symbol, SYMBOL.private)) this.#refuseLabel(symbol, user);
      this.#refer(symbol);
      return;
    }
    if (p.is(symbol, SYMBOL.private) || block.section.use === 'exceptions') {
      this.#takeData(block);
      return;
    }
    if (p.is(symbol, SYMBOL.interior)) {
      this.#refer(symbol);
      return;
    }
    const counterpart = this.#difference.pairing.toOriginal[symbol]!;
    const before = counterpart < 0 ? undefined : this.#o.blockOf(counterpart);
    if (before === undefined) {
      if (counterpart >= 0) {
        this.#refer(symbol);
        return;
      }
      this.#takeData(block);
      return;
    }
    if (block.labelTableOf >= 0 && this.#functions.has(block.labelTableOf)) {
      this.#takeData(block);
      return;
    }
    const constant = isLocalConstant(p, block) && isLocalConstant(this.#o, before);
    const key = pairKey(before.id, block.id);
    const { unequal, matches } = this.#difference.pairing;
    if (constant && (unequal.has(key) || !matches.has(key))) {
      this.#takeData(block);
      return;
    }
    this.#refer(symbol);
  }

  #needFunction(symbol: number, block: Block, user: Block): void {
    const root = this.#p.parts.blocks[block.root]!;
    const inner = this.#p.is(symbol, SYMBOL.private) || block.part > 0;
    if (inner || (this.#p.is(symbol, SYMBOL.interior) && !block.fileScopeAsm)) {
      if (!this.#functions.has(root.id)) this.#refuseLabel(symbol, user);
      return;
    }
    const counterpart = this.#difference.pairing.toOriginal[symbol]!;
    if (counterpart < 0 && !block.fileScopeAsm) {
      const entry = this.#byPatchedName.get(this.#p.symbolName(this.#p.blockSymbol(root)));
      if (entry !== undefined && entry.kind === 'new') {
        this.#takeFunction(root, entry);
        return;
      }
    }
    this.#refer(symbol);
  }

  #needAlias(symbol: number, user: Block): void {
    const p = this.#p;
    const alias = p.parts.aliases.get(symbol)!;
    if (p.is(symbol, SYMBOL.weakReference)) {
      this.#aliases.add(symbol);
      this.#refer(alias.target, true);
      return;
    }
    if (p.is(symbol, SYMBOL.private) || this.#difference.pairing.toOriginal[symbol]! < 0) {
      if (!p.is(symbol, SYMBOL.private) && alias.addend !== 0) {
        throw new SutureError(
          'REFUSED',
          `${p.name}: ${p.symbolName(symbol)} is a new name of the expression ${alias.expression}`,
          { remedy: 'leave this definition out of the fix' },
        );
      }
      if (p.is(symbol, SYMBOL.private)) this.#aliases.add(symbol);
      for (const target of this.#aliasTargets(symbol)) this.#need(target, user);
      return;
    }
    this.#refer(symbol);
  }

  #aliasTargets(symbol: number): number[] {
    const { aliases, statementRefs, refSymbol } = this.#p.parts;
    const { statement } = aliases.get(symbol)!;
    const targets: number[] = [];
    for (let r = statementRefs.at(statement); r < statementRefs.at(statement + 1); r++) {
      targets.push(refSymbol.at(r));
    }
    return targets;
  }

  #refuseLabel(symbol: number, user: Block): never {
    const by = this.#p.blockSymbol(this.#p.parts.blocks[user.root]!);
    const name = by < 0 ? 'data of the patch' : this.#p.symbolName(by);
    throw new SutureError(
      'REFUSED',
      `${this.#p.name}: ${name} refers to ${this.#p.symbolName(symbol)}, a label inside a function that the patch does not hold`,
      { remedy: 'take that function into the patch as well' },
    );
  }

  /** Lists the symbol as left undefined, under the original's name. */
  #refer(symbol: number, weak = false): void {
    const name = this.#originalName(symbol);
    const counterpart = this.#difference.pairing.toOriginal[symbol]!;
    const local =
      counterpart >= 0 && this.#o.is(counterpart, SYMBOL.defined) && this.#o.linkage(counterpart) === 'local';
    const undefinedWeak = this.#p.is(symbol, SYMBOL.weak) && !this.#p.is(symbol, SYMBOL.defined);
    const before = this.#references.get(name);
    this.#used.add(name);
    this.#references.set(name, {
      name,
      scope: local ? 'unit' : 'global',
      weak: (before?.weak ?? true) && (weak || undefinedWeak),
      thread: this.#thread.has(symbol) || this.#p.blockOf(symbol)?.section.use === 'thread',
    });
  }

  #originalName(symbol: number): string {
    const counterpart = this.#difference.pairing.toOriginal[symbol]!;
    return counterpart < 0 ? this.#p.symbolName(symbol) : this.#o.symbolName(counterpart);
  }

  /** How the composed text calls the symbol; `internal` where it must be the place in the new body. */
  #nameOf(symbol: number, internal: boolean): string {
    const p = this.#p;
    if (p.is(symbol, SYMBOL.alias)) {
      if (p.is(symbol, SYMBOL.private | SYMBOL.weakReference)) return p.symbolName(symbol);
      if (this.#difference.pairing.toOriginal[symbol]! >= 0) return this.#originalName(symbol);
      const own = this.#defined.get(symbol);
      return own ?? this.#nameOf(throughAliases(p, p.parts.aliases.get(symbol)!.target).symbol, internal);
    }
    if (p.is(symbol, SYMBOL.private)) return p.symbolName(symbol);
    const block = p.blockOf(symbol);
    const label = this.#defined.get(symbol);
    if (block?.kind === 'function') {
      const taken = this.#functions.get(block.root);
      if (taken !== undefined && p.is(symbol, SYMBOL.interior)) return `${p.symbolName(symbol)}.kpatch`;
      if (taken !== undefined && label !== undefined) {
        if (internal || block.part > 0 || taken.original === undefined) return label;
      }
      return this.#originalName(symbol);
    }
    return label ?? this.#originalName(symbol);
  }

  #writeFunction({ block, label, difference }: Taken, writer: StatementWriter, lines: string[]): void {
    const type = this.#p.parts.assembly.typePrefix;
    for (const part of [block, ...block.parts.map((id) => this.#p.parts.blocks[id]!)]) {
      this.#writeMode(part, lines);
      lines.push(`\t.section\t.kpatch.text,"ax",${type}progbits`);
      lines.push(`\t.balign\t${Math.max(part.align, 16)}`);
      const names = part.labels.filter((symbol) => !this.#p.is(symbol, SYMBOL.private));
      if (part === block && difference.kind === 'new' && difference.linkage !== 'local') {
        for (const name of names) this.#writeBinding(name, lines);
      }
      for (const name of names) lines.push(`\t.type\t${quoted(this.#defined.get(name)!)}, ${type}function`);
      writer.writeLead(part, lines);
      for (const symbol of part.labels) {
        const name = this.#defined.get(symbol) ?? this.#p.symbolName(symbol);
        lines.push(`${quoted(name)}:`);
      }
      writer.writeBody(part, lines);
      const own = part === block ? label : this.#defined.get(this.#p.blockSymbol(part))!;
      lines.push(`\t.size\t${quoted(own)}, .-${quoted(own)}`);
    }
  }

  #writeBinding(symbol: number, lines: string[]): void {
    const name = quoted(this.#defined.get(symbol)!);
    const linkage = this.#p.linkage(symbol);
    if (linkage === 'local') return;
    lines.push(linkage === 'weak' ? `\t.weak\t${name}` : `\t.globl\t${name}`);
    if (this.#p.is(symbol, SYMBOL.hidden)) lines.push(`\t.hidden\t${name}`);
  }

  /** The instructions that the assembler is to take for the block, if they are others than for what stands before it. */
  #writeMode(block: Block, lines: string[]): void {
    const { modes, statementStart } = this.#p.parts;
    const first = block.ranges[0];
    if (modes.length === 0 || first === undefined) return;
    const at = statementStart.at(first);
    const mode = modeAt(modes, at);
    if (mode === undefined || mode === this.#mode) return;
    this.#mode = mode;
    lines.push(`\t${mode}`);
  }

  #writeData(block: Block, writer: StatementWriter, lines: string[]): void {
    const type = this.#p.parts.assembly.typePrefix;
    const { use } = block.section;
    const zero = use === 'zero' || block.common;
    if (use === 'exceptions') lines.push(`\t.section\t.kpatch.gcc_except_table,"a",${type}progbits`);
    // A function's pool of constants stands among the code.
    else if (use === 'constant' || use === 'code')
      lines.push(`\t.section\t.kpatch.rodata,"a",${type}progbits`);
    else if (zero) lines.push(`\t.section\t.kpatch.bss,"aw",${type}nobits`);
    else lines.push(`\t.section\t.kpatch.data,"aw",${type}progbits`);
    if (block.align > 1) lines.push(`\t.balign\t${block.align}`);
    const symbol = this.#p.blockSymbol(block);
    if (symbol >= 0) {
      const name = quoted(this.#defined.get(symbol)!);
      this.#writeBinding(symbol, lines);
      lines.push(`\t.type\t${name}, ${type}object`);
      if (block.size > 0) lines.push(`\t.size\t${name}, ${block.size}`);
    }
    for (const label of block.labels) {
      lines.push(`${quoted(this.#defined.get(label) ?? this.#p.symbolName(label))}:`);
    }
    if (block.common) lines.push(`\t.zero\t${block.size}`);
    writer.writeBody(block, lines);
  }

  #writeAliases(lines: string[]): void {
    const { aliases } = this.#p.parts;
    for (const symbol of [...this.#aliases].sort((a, b) => a - b)) {
      const alias = aliases.get(symbol)!;
      const name = this.#p.symbolName(symbol);
      if (this.#p.is(symbol, SYMBOL.weakReference)) {
        lines.push(`\t.weakref\t${name}, ${quoted(this.#nameOf(alias.target, false))}`);
      } else if (alias.target >= 0 && alias.addend !== undefined) {
        const sign = alias.addend < 0 ? '-' : '+';
        const target = this.#nameOf(alias.target, true);
        lines.push(`\t.set\t${name}, ${quoted(target)}${sign}${Math.abs(alias.addend)}`);
      } else {
        lines.push(`\t.set\t${name}, ${alias.expression}`);
      }
    }
    // Other names of new functions, which other units of the patch may use.
    for (const [symbol, alias] of aliases) {
      if (this.#difference.pairing.toOriginal[symbol]! >= 0 || this.#p.is(symbol, SYMBOL.private)) continue;
      const block = alias.target < 0 ? undefined : this.#p.blockOf(alias.target);
      const taken = block === undefined ? undefined : this.#functions.get(block.id);
      if (taken === undefined || taken.original !== undefined || alias.addend !== 0) continue;
      if (this.#p.is(symbol, SYMBOL.weakReference)) continue;
      this.#defined.set(symbol, this.#newName(this.#p.symbolName(symbol)));
      this.#writeBinding(symbol, lines);
      lines.push(`\t.set\t${quoted(this.#defined.get(symbol)!)}, ${quoted(taken.label)}`);
    }
  }
}

/** A name as the assembler takes it: in quotes if it holds characters that no bare symbol may. */
function quoted(name: string): string {
  return /^[A-Za-z_.\u0080-\u00ff][\w.$\u0080-\u00ff]*$/.test(name) ? name : `"${name}"`;
}
