/**
 * Finds which symbol of the original unit is which of the patched one. Names decide where a name is the source's own.
 * Numbered names (static locals, clones, switch tables) are paired by evidence, strongest first: the same place in
 * functions that are otherwise the same, the same place in lines that line up, equal content, the same users. What
 * stays open is new or gone; a writable variable that could be either of two is ambiguous, never guessed.
 */
import { anchors } from './anchors.ts';
import { Names } from './lex.ts';
import { ContentWalk, type Correspondence, isLocalConstant, isZero, type Match, Matcher } from './match.ts';
import { stemOf } from './stem.ts';
import { type AsmUnit, type Block, SYMBOL } from './unit.ts';
import { Users } from './users.ts';

/** Symbols are numbers within their unit; -1 is none. */
export interface Pairing {
  readonly toPatched: Int32Array;
  readonly toOriginal: Int32Array;
  /** Functions and data of both units that differ although they are counterparts, by `key`. */
  readonly matches: ReadonlyMap<number, Match>;
  /** Keys of matches that do not hold, with the reason where it is not the text itself. */
  readonly unequal: ReadonlyMap<number, Inequality>;
  /** Writable variables that have more than one possible counterpart: original names, patched names. */
  readonly ambiguous: readonly {
    readonly stem: string;
    readonly original: string[];
    readonly patched: string[];
  }[];
}

/** Why a match does not hold. */
export type Inequality =
  | { readonly kind: 'text' }
  | { readonly kind: 'identity'; readonly original: number; readonly patched: number }
  | { readonly kind: 'content'; readonly original: number; readonly patched: number };

/** Key of a pair of blocks. */
export const pairKey = (original: number, patched: number): number => original * 0x4000000 + patched;

interface Group {
  original: number[];
  patched: number[];
}

export function pairUnits(original: AsmUnit, patched: AsmUnit): Pairing {
  return new Pairer(original, patched).pair();
}

class Pairer {
  readonly #o: AsmUnit;
  readonly #p: AsmUnit;
  readonly #toPatched: Int32Array;
  readonly #toOriginal: Int32Array;
  readonly #matches = new Map<number, Match>();
  readonly #groups: Map<string, Group>;
  readonly #known: Correspondence;
  readonly #matcher: Matcher;
  /** Evidence for pairs of numbered symbols; a place in equal text counts a thousand times one that lines up. */
  readonly #votes = new Map<number, number>();
  /** Made when first needed: large units seldom do. */
  #users: { original: Users; patched: Users } | undefined;
  readonly #ambiguous: { stem: string; original: string[]; patched: string[] }[] = [];

  constructor(original: AsmUnit, patched: AsmUnit) {
    this.#o = original;
    this.#p = patched;
    this.#toPatched = new Int32Array(original.parts.names.length).fill(-1);
    this.#toOriginal = new Int32Array(patched.parts.names.length).fill(-1);
    const originalStems = new Map<number, string>();
    const patchedStems = new Map<number, string>();
    this.#groups = groupsOf(original, patched, originalStems, patchedStems);
    const byName = this.#pairByName(originalStems, patchedStems);
    this.#known = { original, patched, byName, originalStems, patchedStems };
    this.#matcher = new Matcher(this.#known);
  }

  pair(): Pairing {
    const o = this.#o.parts;
    for (let symbol = 0; symbol < this.#toPatched.length; symbol++) {
      if (this.#toPatched[symbol]! < 0 || o.symbolBlock[symbol]! < 0) continue;
      this.#matchSymbols(symbol, this.#toPatched[symbol]!);
    }
    while (this.#byVotes() || this.#byContent() || this.#bySingles());
    this.#byUsers();
    return {
      toPatched: this.#toPatched,
      toOriginal: this.#toOriginal,
      matches: this.#matches,
      unequal: this.#judge(),
      ambiguous: this.#ambiguous,
    };
  }

  #pairByName(
    originalStems: ReadonlyMap<number, string>,
    patchedStems: ReadonlyMap<number, string>,
  ): Int32Array {
    const o = this.#o.parts;
    const p = this.#p.parts;
    const byName = new Int32Array(o.names.length).fill(-1);
    for (let symbol = 0; symbol < byName.length; symbol++) {
      if ((o.flags[symbol]! & SYMBOL.private) !== 0 || originalStems.has(symbol)) continue;
      const { starts, ends, hashes } = o.names;
      const other = p.names.find(o.bytes, starts.at(symbol), ends.at(symbol), hashes.at(symbol));
      if (other < 0 || patchedStems.has(other)) continue;
      // The name of a function that has become another unit's is not the same entity any more.
      if (((o.flags[symbol]! ^ p.flags[other]!) & SYMBOL.defined) !== 0) continue;
      byName[symbol] = other;
      this.#toPatched[symbol] = other;
      this.#toOriginal[other] = symbol;
    }
    return byName;
  }

  /** Compares the blocks of two counterparts and takes note of what that says about numbered symbols. */
  #matchSymbols(original: number, patched: number): void {
    const left = this.#o.blockOf(original);
    const right = this.#p.blockOf(patched);
    if (left === undefined || right === undefined) return;
    if (this.#o.is(original, SYMBOL.interior) || this.#p.is(patched, SYMBOL.interior)) return;
    if (left.part > 0 || right.part > 0) return;
    const match = this.#matchBlocks(left, right);
    if (!match.same && left.kind === 'function' && right.kind === 'function') this.#lineUp(left, right);
  }

  #matchBlocks(left: Block, right: Block): Match {
    const key = pairKey(left.id, right.id);
    let match = this.#matches.get(key);
    if (match !== undefined) return match;
    match = this.#matcher.match(left, right);
    this.#matches.set(key, match);
    if (!match.same) return match;
    for (let i = 0; i < match.identities.length; i += 2) {
      this.#vote(match.identities[i]!, match.identities[i + 1]!, 1000);
    }
    for (let i = 0; i < match.contents.length; i += 2) {
      const a = this.#o.parts.blocks[match.contents[i]!]!;
      const b = this.#p.parts.blocks[match.contents[i + 1]!]!;
      const symbol = this.#o.blockSymbol(a);
      if (this.#known.originalStems.has(symbol)) this.#vote(symbol, this.#p.blockSymbol(b), 1000);
      this.#matchBlocks(a, b);
    }
    return match;
  }

  #vote(original: number, patched: number, weight: number): void {
    const key = pairKey(original, patched);
    this.#votes.set(key, (this.#votes.get(key) ?? 0) + weight);
  }

  /** Two versions of a function that differ: lines that line up still say which numbered symbol is which. */
  #lineUp(left: Block, right: Block): void {
    const lines = [this.#lines(this.#o, left), this.#lines(this.#p, right)] as const;
    if (!lines[0].numbered || !lines[1].numbered) return;
    const o = this.#o.parts;
    const p = this.#p.parts;
    for (const [i, j] of anchors(lines[0].keys, lines[1].keys)) {
      const a = lines[0].statements[i]!;
      const b = lines[1].statements[j]!;
      const count = o.statementRefs.at(a + 1) - o.statementRefs.at(a);
      if (p.statementRefs.at(b + 1) - p.statementRefs.at(b) !== count) continue;
      for (let k = 0; k < count; k++) {
        const x = o.refSymbol.at(o.statementRefs.at(a) + k);
        const y = p.refSymbol.at(p.statementRefs.at(b) + k);
        const stem = this.#known.originalStems.get(x);
        if (stem !== undefined && this.#known.patchedStems.get(y) === stem) this.#vote(x, y, 1);
      }
    }
  }

  /** Statements of a function and a key of each that leaves labels and numbers out. */
  #lines(unit: AsmUnit, root: Block): { keys: Int32Array; statements: number[]; numbered: boolean } {
    const parts = unit.parts;
    const stems = unit === this.#o ? this.#known.originalStems : this.#known.patchedStems;
    const statements: number[] = [];
    const keys: number[] = [];
    let numbered = false;
    for (const block of [root, ...root.parts.map((id) => parts.blocks[id]!)]) {
      const walk = new ContentWalk(unit, block);
      for (let s = walk.next(); s >= 0; s = walk.next()) {
        statements.push(s);
        let key = 0;
        let from = parts.statementStart.at(s);
        for (let r = parts.statementRefs.at(s); r < parts.statementRefs.at(s + 1); r++) {
          key = Math.imul(key, 31) ^ Names.hash(parts.bytes, from, parts.refStart.at(r));
          const symbol = parts.refSymbol.at(r);
          const stem = stems.get(symbol);
          if (stem !== undefined) {
            numbered = true;
            for (let i = 0; i < stem.length; i++) key = Math.imul(key, 33) ^ stem.charCodeAt(i);
          } else if (!unit.is(symbol, SYMBOL.private)) {
            key = Math.imul(key, 31) ^ parts.names.hashes.at(symbol);
          }
          from = parts.refEnd.at(r);
        }
        keys.push(Math.imul(key, 31) ^ Names.hash(parts.bytes, from, parts.statementEnd.at(s)));
      }
    }
    return { keys: Int32Array.from(keys), statements, numbered };
  }

  #open(symbols: readonly number[], counterpart: Int32Array): number[] {
    return symbols.filter((symbol) => counterpart[symbol]! < 0);
  }

  #assign(original: number, patched: number): void {
    this.#toPatched[original] = patched;
    this.#toOriginal[patched] = original;
    this.#matchSymbols(original, patched);
  }

  #compatible(original: number, patched: number): boolean {
    const left = this.#o.blockOf(original);
    const right = this.#p.blockOf(patched);
    if (left === undefined || right === undefined) return false;
    if (storageClass(this.#o, left) !== storageClass(this.#p, right)) return false;
    return !isWritable(this.#o, original) || !this.#valueSpeaksAgainst(original, patched);
  }

  /** A variable with another initial value is no counterpart while one with the same value is open on either side. */
  #valueSpeaksAgainst(original: number, patched: number): boolean {
    const group = this.#groups.get(this.#known.originalStems.get(original) ?? '');
    if (group === undefined || this.#sameValue(original, patched)) return false;
    return (
      this.#open(group.patched, this.#toOriginal).some((other) => this.#sameValue(original, other)) ||
      this.#open(group.original, this.#toPatched).some((other) => this.#sameValue(other, patched))
    );
  }

  #sameValue(original: number, patched: number): boolean {
    const left = this.#o.blockOf(original);
    const right = this.#p.blockOf(patched);
    if (left?.kind !== 'variable' || right?.kind !== 'variable') return false;
    return (
      storageClass(this.#o, left) === storageClass(this.#p, right) && this.#matcher.match(left, right).same
    );
  }

  /** Pairs that are each other's best by votes, and better than any second. */
  #byVotes(): boolean {
    let paired = false;
    for (const group of this.#groups.values()) {
      const originals = this.#open(group.original, this.#toPatched);
      const patched = this.#open(group.patched, this.#toOriginal);
      for (const a of originals) {
        const b = this.#best(patched, (y) => (this.#compatible(a, y) ? this.#votesOf(a, y) : 0));
        if (b < 0 || this.#toOriginal[b]! >= 0) continue;
        const back = this.#best(originals, (x) => (this.#compatible(x, b) ? this.#votesOf(x, b) : 0));
        if (back !== a || this.#isGuess(a, b, originals, patched)) continue;
        this.#assign(a, b);
        paired = true;
      }
    }
    return paired;
  }

  /**
   * Whether only lines that line up speak for two writable variables, in a function that has gained or lost one of
   * that stem: the new variable may stand where the old one stood, and its counterpart's state would be lost.
   */
  #isGuess(a: number, b: number, originals: readonly number[], patched: readonly number[]): boolean {
    if (!isWritable(this.#o, a) || this.#votesOf(a, b) >= 1000) return false;
    const left = originals.filter((x) => this.#compatible(x, b) && this.#shareUsers(x, b));
    const right = patched.filter((y) => this.#compatible(a, y) && this.#shareUsers(a, y));
    return left.length !== right.length;
  }

  /** Whether a source function uses both. */
  #shareUsers(original: number, patched: number): boolean {
    this.#users ??= { original: new Users(this.#o), patched: new Users(this.#p) };
    const { original: before, patched: after } = this.#users;
    return overlap(before.sourceNames(original, after), after.sourceNames(patched, before));
  }

  #votesOf(original: number, patched: number): number {
    return this.#votes.get(pairKey(original, patched)) ?? 0;
  }

  #best(candidates: readonly number[], score: (candidate: number) => number): number {
    let best = -1;
    let high = 0;
    let tie = false;
    for (const candidate of candidates) {
      const value = score(candidate);
      if (value > high) {
        high = value;
        best = candidate;
        tie = false;
      } else if (value === high) tie = true;
    }
    return tie ? -1 : best;
  }

  /** Functions and constants with equal content: which of several equal ones is taken makes no difference. */
  #byContent(): boolean {
    for (const group of this.#groups.values()) {
      for (const a of this.#open(group.original, this.#toPatched)) {
        const left = this.#o.blockOf(a)!;
        if (left.kind !== 'function' && !isLocalConstant(this.#o, left)) continue;
        for (const b of this.#open(group.patched, this.#toOriginal)) {
          if (!this.#compatible(a, b) || !this.#plausible(left, this.#p.blockOf(b)!, new Set())) continue;
          this.#assign(a, b);
          return true;
        }
      }
    }
    return false;
  }

  /** Equal as far as is known now. */
  #plausible(left: Block, right: Block, seen: Set<number>): boolean {
    const key = pairKey(left.id, right.id);
    if (seen.has(key)) return true;
    seen.add(key);
    const match = this.#matches.get(key) ?? this.#matcher.match(left, right);
    if (!match.same) return false;
    for (let i = 0; i < match.identities.length; i += 2) {
      const a = match.identities[i]!;
      const b = match.identities[i + 1]!;
      if (this.#toPatched[a] !== b && (this.#toPatched[a]! >= 0 || this.#toOriginal[b]! >= 0)) return false;
    }
    for (let i = 0; i < match.contents.length; i += 2) {
      const a = this.#o.parts.blocks[match.contents[i]!]!;
      const b = this.#p.parts.blocks[match.contents[i + 1]!]!;
      if (!this.#plausible(a, b, seen)) return false;
    }
    return true;
  }

  /** One function left of a stem on either side. */
  #bySingles(): boolean {
    for (const group of this.#groups.values()) {
      const originals = this.#open(group.original, this.#toPatched);
      const patched = this.#open(group.patched, this.#toOriginal);
      if (originals.length !== 1 || patched.length !== 1) continue;
      const left = this.#o.blockOf(originals[0]!);
      if (left?.kind !== 'function' || !this.#compatible(originals[0]!, patched[0]!)) continue;
      this.#assign(originals[0]!, patched[0]!);
      return true;
    }
    return false;
  }

  /** Writable variables by the functions that use them. */
  #byUsers(): void {
    for (const [stem, group] of this.#groups) {
      for (;;) {
        const originals = this.#open(group.original, this.#toPatched).filter((s) => isWritable(this.#o, s));
        const patched = this.#open(group.patched, this.#toOriginal).filter((s) => isWritable(this.#p, s));
        if (originals.length === 0 || patched.length === 0) break;
        const related = (a: number, b: number): boolean => this.#compatible(a, b) && this.#shareUsers(a, b);
        const pair = onlyPair(originals, patched, related);
        if (pair !== undefined) {
          this.#assign(pair[0], pair[1]);
          continue;
        }
        const doubtful = originals.filter((a) => patched.some((b) => related(a, b)));
        if (doubtful.length > 0) {
          this.#ambiguous.push({
            stem,
            original: doubtful.map((a) => this.#o.symbolName(a)),
            patched: patched
              .filter((b) => doubtful.some((a) => related(a, b)))
              .map((b) => this.#p.symbolName(b)),
          });
        }
        break;
      }
    }
  }

  /** Which matches do not hold: those whose text differs, whose symbols are others, or that contain such a one. */
  #judge(): Map<number, Inequality> {
    const unequal = new Map<number, Inequality>();
    const containers = new Map<number, number[]>();
    const work: number[] = [];
    const fail = (key: number, why: Inequality): void => {
      if (unequal.has(key)) return;
      unequal.set(key, why);
      work.push(key);
    };
    for (const [key, match] of this.#matches) {
      for (let i = 0; i < match.contents.length; i += 2) {
        const inner = pairKey(match.contents[i]!, match.contents[i + 1]!);
        const list = containers.get(inner);
        if (list === undefined) containers.set(inner, [key]);
        else list.push(key);
      }
      if (!match.same) {
        fail(key, { kind: 'text' });
        continue;
      }
      for (let i = 0; i < match.identities.length; i += 2) {
        const original = match.identities[i]!;
        const patched = match.identities[i + 1]!;
        if (this.#toPatched[original] !== patched) {
          fail(key, { kind: 'identity', original, patched });
          break;
        }
      }
    }
    for (let inner = work.pop(); inner !== undefined; inner = work.pop()) {
      const match = this.#matches.get(inner)!;
      for (const outer of containers.get(inner) ?? []) {
        fail(outer, { kind: 'content', original: match.original.id, patched: match.patched.id });
      }
    }
    return unequal;
  }
}

/** Collects the numbered local symbols of both units by stem. */
function groupsOf(
  original: AsmUnit,
  patched: AsmUnit,
  originalStems: Map<number, string>,
  patchedStems: Map<number, string>,
): Map<string, Group> {
  const groups = new Map<string, Group>();
  const plain = new Map<string, { original: number; patched: number }>();
  for (const [unit, side] of [
    [original, 'original'],
    [patched, 'patched'],
  ] as const) {
    for (const block of unit.parts.blocks) {
      if (block.part > 0 || block.fileScopeAsm) continue;
      for (const symbol of block.labels) {
        if (unit.is(symbol, SYMBOL.private | SYMBOL.global | SYMBOL.weak)) continue;
        const name = unit.symbolName(symbol);
        const stem = stemOf(name);
        if (stem === name) {
          // clang leaves the first of several without a number: `f.count`, `f.count.1`.
          if (!/\.|^_Z(GV)?Z/.test(name)) continue;
          const entry = plain.get(name) ?? { original: -1, patched: -1 };
          entry[side] = symbol;
          plain.set(name, entry);
          continue;
        }
        const group = groups.get(stem) ?? { original: [], patched: [] };
        group[side].push(symbol);
        groups.set(stem, group);
      }
    }
  }
  for (const [name, entry] of plain) {
    const group = groups.get(name);
    if (group === undefined) continue;
    if (entry.original >= 0) group.original.unshift(entry.original);
    if (entry.patched >= 0) group.patched.unshift(entry.patched);
  }
  for (const [stem, group] of groups) {
    for (const symbol of group.original) originalStems.set(symbol, stem);
    for (const symbol of group.patched) patchedStems.set(symbol, stem);
  }
  return groups;
}

function storageClass(unit: AsmUnit, block: Block): string {
  if (block.kind !== 'variable') return block.kind;
  if (isLocalConstant(unit, block)) return 'constant';
  return block.section.use === 'thread' ? 'thread' : isZero(block) ? 'data' : block.section.use;
}

function isWritable(unit: AsmUnit, symbol: number): boolean {
  const block = unit.blockOf(symbol);
  return block?.kind === 'variable' && block.section.use !== 'constant';
}

function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const name of a) if (b.has(name)) return true;
  return false;
}

/** A pair of which each is the other's only relation. */
function onlyPair(
  left: readonly number[],
  right: readonly number[],
  related: (a: number, b: number) => boolean,
): [number, number] | undefined {
  for (const a of left) {
    const candidates = right.filter((b) => related(a, b));
    if (candidates.length !== 1) continue;
    const back = left.filter((x) => related(x, candidates[0]!));
    if (back.length === 1) return [a, candidates[0]!];
  }
  return undefined;
}
