/**
 * Compares two blocks statement by statement. Labels inside functions are equal when they stand before the same
 * statement, so that no numbering matters. Whatever cannot be decided from the two blocks alone is returned as a
 * condition: two symbols must be each other's counterpart, two blocks must have the same content.
 */
import { type AsmUnit, type Block, Statement, SYMBOL } from './unit.ts';

/** What is known about symbols before blocks are compared. */
export interface Correspondence {
  readonly original: AsmUnit;
  readonly patched: AsmUnit;
  /** By original symbol: the patched symbol of the same name where the name alone decides, else -1. */
  readonly byName: Int32Array;
  /** Stems of symbols whose numbers do not count; undefined where the name decides. */
  readonly originalStems: ReadonlyMap<number, string>;
  readonly patchedStems: ReadonlyMap<number, string>;
}

export interface Match {
  readonly original: Block;
  readonly patched: Block;
  /** True if nothing but the conditions stands between the two and equality. */
  readonly same: boolean;
  /** Statements at which they first differ; -1 where one has ended. */
  readonly differsAt: readonly [number, number] | undefined;
  /** Pairs of symbols (original, patched) that must be counterparts. */
  readonly identities: readonly number[];
  /** Pairs of blocks (original, patched) whose content must be the same. */
  readonly contents: readonly number[];
}

/** Whether nothing outside the unit can know the block, and nothing ever writes to it. */
export function isLocalConstant(unit: AsmUnit, block: Block): boolean {
  if (block.section.use !== 'constant') return false;
  const symbol = unit.blockSymbol(block);
  return symbol < 0 || !unit.is(symbol, SYMBOL.global | SYMBOL.weak);
}

/** Whether the symbol is a place inside code: a label of its own in a function. */
export function isCodeLabel(unit: AsmUnit, symbol: number): boolean {
  return unit.is(symbol, SYMBOL.interior | SYMBOL.private) && unit.blockOf(symbol)?.kind === 'function';
}

/** Follows `.set` names that no symbol table has. */
export function throughAliases(unit: AsmUnit, symbol: number): { symbol: number; addend: number } {
  let addend = 0;
  let at = symbol;
  for (let i = 0; i < 16 && unit.is(at, SYMBOL.alias) && unit.is(at, SYMBOL.private); i++) {
    const alias = unit.parts.aliases.get(at);
    if (alias === undefined || alias.target < 0 || alias.addend === undefined) break;
    addend += alias.addend;
    at = alias.target;
  }
  return { symbol: at, addend };
}

/** Bytes that are all zero by construction. */
export function isZero(block: Block): boolean {
  return block.common || block.section.use === 'zero';
}

/** Walks the statements of a block that count. */
export class ContentWalk {
  #range = 0;
  #at: number;
  readonly #ranges: readonly number[];
  readonly #kinds: Int32Array;

  constructor(unit: AsmUnit, block: Block) {
    this.#ranges = block.ranges;
    this.#kinds = unit.parts.statementKind.values;
    this.#at = block.ranges[0] ?? 0;
  }

  /** The next statement, or -1. */
  next(): number {
    const ranges = this.#ranges;
    while (this.#range < ranges.length) {
      const end = ranges[this.#range + 1]!;
      while (this.#at < end) {
        const kind = this.#kinds[this.#at++];
        if (kind === Statement.Content || kind === Statement.FrameReference || kind === Statement.Switch) {
          return this.#at - 1;
        }
      }
      this.#range += 2;
      this.#at = ranges[this.#range] ?? 0;
    }
    return -1;
  }
}

export class Matcher {
  readonly #o: AsmUnit;
  readonly #p: AsmUnit;
  #identities: number[] = [];
  #contents: number[] = [];
  #originalRoot = -1;
  #patchedRoot = -1;
  /** The block compared is live data: what it points to by name stays where it is, whatever its content. */
  #live = false;

  constructor(readonly known: Correspondence) {
    this.#o = known.original;
    this.#p = known.patched;
  }

  /** Compares two functions with their parts, or two blocks of data. */
  match(original: Block, patched: Block): Match {
    this.#identities = [];
    this.#contents = [];
    this.#originalRoot = original.root;
    this.#patchedRoot = patched.root;
    this.#live = original.kind === 'variable' && this.#isLive(original);
    const differsAt = this.#compare(original, patched);
    return {
      original,
      patched,
      same: differsAt === undefined,
      differsAt,
      identities: this.#identities,
      contents: this.#contents,
    };
  }

  #isLive(block: Block): boolean {
    return this.#o.blockSymbol(block) >= 0 && !isLocalConstant(this.#o, block);
  }

  #compare(original: Block, patched: Block): readonly [number, number] | undefined {
    if (original.kind !== patched.kind) return [-1, -1];
    if (original.kind === 'variable' && isZero(original) && isZero(patched)) {
      return original.size === patched.size ? undefined : [-1, -1];
    }
    // The name of a type without linkage: its text is the symbol itself, number included (Itanium C++ ABI 2.9.3).
    const stem = this.known.originalStems.get(this.#o.blockSymbol(original));
    if (stem?.startsWith('_ZTS') && this.known.patchedStems.get(this.#p.blockSymbol(patched)) === stem) {
      return undefined;
    }
    const own = this.#walk(original, patched);
    if (own !== undefined) return own;
    if (original.parts.length !== patched.parts.length) return [-1, -1];
    for (let i = 0; i < original.parts.length; i++) {
      const part = this.#walk(
        this.#o.parts.blocks[original.parts[i]!]!,
        this.#p.parts.blocks[patched.parts[i]!]!,
      );
      if (part !== undefined) return part;
    }
    return undefined;
  }

  #walk(original: Block, patched: Block): readonly [number, number] | undefined {
    // Personality and exception table may stand before the first label, where no label can depend on their number.
    const leads = [
      this.#frameReferences(this.#o, original),
      this.#frameReferences(this.#p, patched),
    ] as const;
    for (let i = 0; i < Math.max(leads[0].length, leads[1].length); i++) {
      const a = leads[0][i] ?? -1;
      const b = leads[1][i] ?? -1;
      if (a < 0 || b < 0 || !this.sameStatement(a, b)) return [a, b];
    }
    const left = new ContentWalk(this.#o, original);
    const right = new ContentWalk(this.#p, patched);
    for (;;) {
      const a = left.next();
      const b = right.next();
      if (a < 0 && b < 0) return undefined;
      if (a < 0 || b < 0 || !this.sameStatement(a, b)) return [a, b];
    }
  }

  #frameReferences(unit: AsmUnit, block: Block): readonly number[] {
    if (block.lead.length === 0) return block.lead;
    return block.lead.filter((s) => unit.parts.statementKind.at(s) === Statement.FrameReference);
  }

  /** Whether two statements have the same text but for symbols, and symbols that can be the same. */
  sameStatement(a: number, b: number): boolean {
    const o = this.#o.parts;
    const p = this.#p.parts;
    const first = o.statementRefs.values[a]!;
    const second = p.statementRefs.values[b]!;
    const count = o.statementRefs.values[a + 1]! - first;
    if (p.statementRefs.values[b + 1]! - second !== count) return false;
    let x = o.statementStart.values[a]!;
    let y = p.statementStart.values[b]!;
    const left = o.bytes;
    const right = p.bytes;
    for (let k = 0; k < count; k++) {
      const length = o.refStart.values[first + k]! - x;
      if (p.refStart.values[second + k]! - y !== length) return false;
      for (let i = 0; i < length; i++) if (left[x + i] !== right[y + i]) return false;
      x = o.refEnd.values[first + k]!;
      y = p.refEnd.values[second + k]!;
    }
    const length = o.statementEnd.values[a]! - x;
    if (p.statementEnd.values[b]! - y !== length) return false;
    for (let i = 0; i < length; i++) if (left[x + i] !== right[y + i]) return false;
    for (let k = 0; k < count; k++) {
      if (!this.#sameSymbol(o.refSymbol.values[first + k]!, p.refSymbol.values[second + k]!)) return false;
    }
    return true;
  }

  #sameSymbol(so: number, sp: number): boolean {
    const o = this.#o;
    const p = this.#p;
    let a = so;
    let b = sp;
    if (o.is(a, SYMBOL.alias) || p.is(b, SYMBOL.alias)) {
      const left = throughAliases(o, a);
      const right = throughAliases(p, b);
      if (left.addend !== right.addend) return false;
      a = left.symbol;
      b = right.symbol;
    }
    const left = o.blockOf(a);
    const right = p.blockOf(b);
    const hidden = SYMBOL.private | SYMBOL.interior;
    if (left !== undefined && right !== undefined) {
      if (left.kind !== right.kind) return false;
      const inner = o.is(a, hidden);
      if (inner !== p.is(b, hidden)) return false;
      if (left.kind === 'function') {
        if (inner || left.part > 0 || right.part > 0) return this.#sameCodeLabel(a, b, left, right);
        return this.#identity(a, b);
      }
      if (inner) {
        if (o.parts.symbolOrdinal[a] !== p.parts.symbolOrdinal[b]) return false;
        this.#content(left, right);
        return true;
      }
      const constant = isLocalConstant(o, left) && isLocalConstant(p, right);
      if (!constant) return this.#identity(a, b);
      if (this.#live) return this.#identity(a, b);
      const stem = this.known.originalStems.get(a);
      if (stem === undefined) {
        if (this.known.byName[a] !== b) return false;
      } else if (this.known.patchedStems.get(b) !== stem) return false;
      this.#content(left, right);
      return true;
    }
    return this.known.byName[a] === b;
  }

  #sameCodeLabel(a: number, b: number, left: Block, right: Block): boolean {
    if (left.part !== right.part) return false;
    if (this.#o.parts.symbolOrdinal[a] !== this.#p.parts.symbolOrdinal[b]) return false;
    const own = left.root === this.#originalRoot;
    if (own !== (right.root === this.#patchedRoot)) return false;
    if (own) return true;
    const original = this.#o.blockSymbol(this.#o.parts.blocks[left.root]!);
    const patched = this.#p.blockSymbol(this.#p.parts.blocks[right.root]!);
    return original >= 0 && patched >= 0 && this.#identity(original, patched);
  }

  #identity(a: number, b: number): boolean {
    const stem = this.known.originalStems.get(a);
    if (stem === undefined) return this.known.byName[a] === b;
    if (this.known.patchedStems.get(b) !== stem) return false;
    this.#identities.push(a, b);
    return true;
  }

  #content(left: Block, right: Block): void {
    this.#contents.push(left.id, right.id);
  }
}
