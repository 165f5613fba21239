/**
 * Finds the symbols in a statement's operands and the statement's end, in one pass over its bytes.
 * "Using as", 3.5 Statements, 3.3 Comments, 6.3 Symbol Names.
 */
import type { Column } from './column.ts';
import {
  APOSTROPHE,
  BACKSLASH,
  CARRIAGE_RETURN,
  CLASS,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  DIGIT,
  DOT,
  HASH,
  type Names,
  NEWLINE,
  OPEN_BRACE,
  PERCENT,
  QUOTE,
  SEMICOLON,
  SLASH,
  SPACE,
  STAR,
  TAB,
  WORD,
  WORD_START,
} from './lex.ts';

/** What a byte begins in an operand. */
enum Begins {
  /** Punctuation: only itself. */
  Nothing = 0,
  /** A comma or a closing bracket. */
  OperandEnd,
  Symbol,
  /** A register, a number, a local label such as 1f, a relocation operator: the whole word is no symbol. */
  OtherWord,
  Blank,
  /** The end of the statement. */
  End,
  /** A comment, a string, a character, a decoration in braces, an operator between two marks; or nothing. */
  Enclosed,
}

export class OperandReader {
  /** By byte: one look decides for most. */
  readonly #begins: Uint8Array;
  /** Where the last scanned statement ends, blanks and comment excluded. */
  end = 0;
  /** Where reading goes on: the separator or newline, or what follows a comment. */
  next = 0;

  constructor(
    readonly bytes: Uint8Array,
    readonly names: Names,
    readonly refStart: Column,
    readonly refEnd: Column,
    readonly refSymbol: Column,
    /** Bytes that start a comment: '#', or '/' for a pair of them. */
    readonly commentByte: number,
    readonly separator: number,
    readonly relocationSuffix: number,
    /** The byte on both sides of a relocation operator, or -1. */
    readonly relocationPrefix: number,
    /** True for a word that is no symbol; asked only when registers carry no '%'. */
    readonly isReserved: (symbol: number) => boolean,
  ) {
    this.#begins = beginnings(commentByte, separator, relocationSuffix, relocationPrefix);
  }

  /** Bare words may be registers: Intel syntax, or a dialect without '%'. */
  bareRegisters = false;
  /** The last operand is a symbol even if it has a register's name. */
  endsWithSymbol = false;

  /** Reads from `at`; with `collect`, notes every symbol. */
  scan(at: number, collect: boolean): void {
    const { bytes, names, commentByte, relocationPrefix } = this;
    const begins = this.#begins;
    const length = bytes.length;
    let i = at;
    let end = at;
    let behindOperator = -1;
    let last: { readonly start: number; readonly end: number; readonly symbol: number } | undefined;
    while (i < length) {
      const c = bytes[i]!;
      const what = begins[c]!;
      if (what === Begins.Nothing) {
        end = ++i;
        continue;
      }
      if (what === Begins.OperandEnd) {
        last = undefined;
        end = ++i;
        continue;
      }
      if (what === Begins.OtherWord) {
        i++;
        while (i < length && (CLASS[bytes[i]!]! & WORD) !== 0) i++;
        end = i;
        continue;
      }
      if (what === Begins.Blank) {
        i++;
        continue;
      }
      if (what === Begins.End) break;
      if (what === Begins.Symbol) {
        const start = i;
        let hash = 0x811c9dc5 | 0;
        let word = c;
        do {
          hash = Math.imul(hash ^ word, 0x01000193);
          i++;
          word = i < length ? bytes[i]! : 0;
        } while ((CLASS[word]! & WORD) !== 0);
        end = i;
        if (collect && !(c === DOT && i === start + 1)) {
          const symbol = names.intern(start, i, hash ^ (hash >>> 15));
          if (!this.bareRegisters || behindOperator === start || !this.isReserved(symbol)) {
            this.refStart.push(start);
            this.refEnd.push(i);
            this.refSymbol.push(symbol);
            last = undefined;
          } else if (this.endsWithSymbol) {
            last = { start, end: i, symbol };
          }
        }
        continue;
      }
      if (c === relocationPrefix) {
        i++;
        while (i < length && (CLASS[bytes[i]!]! & WORD) !== 0) i++;
        if (bytes[i] === relocationPrefix) behindOperator = ++i;
        end = i;
        continue;
      }
      if (c === commentByte && (c !== SLASH || bytes[i + 1] === SLASH)) {
        i = this.lineEnd(i);
        break;
      }
      if (c === SLASH && bytes[i + 1] === STAR) {
        i = this.#blockCommentEnd(i);
        continue;
      }
      if (c === QUOTE) {
        const start = i;
        i = this.#stringEnd(i);
        end = i;
        if (collect && i - start > 2) {
          const hash = this.#hash(start + 1, i - 1);
          this.refStart.push(start);
          this.refEnd.push(i);
          this.refSymbol.push(names.intern(start + 1, i - 1, hash));
        }
        continue;
      }
      if (c === APOSTROPHE && i + 1 < length && bytes[i + 1] !== NEWLINE) {
        i += bytes[i + 1] === BACKSLASH ? 3 : 2;
        end = i;
        continue;
      }
      if (c === OPEN_BRACE) {
        while (i < length && bytes[i] !== CLOSE_BRACE && bytes[i] !== NEWLINE) i++;
        end = i;
        continue;
      }
      i++;
      end = i;
    }
    if (last !== undefined) {
      this.refStart.push(last.start);
      this.refEnd.push(last.end);
      this.refSymbol.push(last.symbol);
    }
    this.end = end;
    this.next = i;
  }

  lineEnd(at: number): number {
    const end = this.bytes.indexOf(NEWLINE, at);
    return end < 0 ? this.bytes.length : end;
  }

  #hash(start: number, end: number): number {
    let hash = 0x811c9dc5 | 0;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ this.bytes[i]!, 0x01000193);
    return hash ^ (hash >>> 15);
  }

  #blockCommentEnd(at: number): number {
    for (let i = at + 2; i + 1 < this.bytes.length; i++) {
      if (this.bytes[i] === STAR && this.bytes[i + 1] === SLASH) return i + 2;
    }
    return this.bytes.length;
  }

  #stringEnd(at: number): number {
    let i = at + 1;
    while (i < this.bytes.length) {
      const c = this.bytes[i]!;
      if (c === QUOTE) return i + 1;
      if (c === NEWLINE) return i;
      i += c === BACKSLASH ? 2 : 1;
    }
    return this.bytes.length;
  }
}

function beginnings(
  commentByte: number,
  separator: number,
  relocationSuffix: number,
  relocationPrefix: number,
): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of [COMMA, CLOSE_BRACKET]) table[byte] = Begins.OperandEnd;
  for (const byte of [commentByte, SLASH, QUOTE, APOSTROPHE, OPEN_BRACE]) table[byte] = Begins.Enclosed;
  if (relocationPrefix >= 0) table[relocationPrefix] = Begins.Enclosed;
  for (const byte of [SPACE, TAB, CARRIAGE_RETURN]) table[byte] = Begins.Blank;
  table[PERCENT] = Begins.OtherWord;
  if (relocationSuffix >= 0) table[relocationSuffix] = Begins.OtherWord;
  for (const byte of [NEWLINE, separator]) table[byte] = Begins.End;
  for (let byte = 0; byte < 256; byte++) {
    if ((CLASS[byte]! & DIGIT) !== 0) table[byte] = Begins.OtherWord;
    if ((CLASS[byte]! & WORD_START) !== 0) table[byte] = Begins.Symbol;
  }
  return table;
}

/** The byte with which the dialect's line comments begin. */
export function commentByteOf(lineComment: readonly string[]): number {
  return lineComment.includes('#') ? HASH : SLASH;
}

/** The byte of a separator. */
export function separatorOf(separator: string): number {
  return separator.length === 1 ? separator.charCodeAt(0) : SEMICOLON;
}
