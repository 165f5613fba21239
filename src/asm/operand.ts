/**
 * Finds the symbols in a statement's operands and the statement's end, in one pass over its bytes.
 * "Using as", 3.5 Statements, 3.3 Comments, 6.3 Symbol Names.
 */
import type { Column } from './column.ts';
import {
  APOSTROPHE,
  BACKSLASH,
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
  STAR,
  WORD,
  WORD_START,
} from './lex.ts';

export class OperandReader {
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
  ) {}

  /** Bare words may be registers: Intel syntax, or a dialect without '%'. */
  bareRegisters = false;
  /** The last operand is a symbol even if it has a register's name. */
  endsWithSymbol = false;

  /** Reads from `at`; with `collect`, notes every symbol. */
  scan(at: number, collect: boolean): void {
    const { bytes, names, commentByte, separator, relocationSuffix, relocationPrefix } = this;
    const length = bytes.length;
    let i = at;
    let end = at;
    let behindOperator = -1;
    let last: { readonly start: number; readonly end: number; readonly symbol: number } | undefined;
    while (i < length) {
      const c = bytes[i]!;
      const kind = CLASS[c]!;
      if ((kind & WORD_START) !== 0) {
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
      if (c === NEWLINE || c === separator) break;
      if (c === PERCENT || (kind & DIGIT) !== 0 || c === relocationSuffix) {
        // A register, a number, a local label such as 1f, or a relocation operator: the whole word is no symbol.
        i++;
        while (i < length && (CLASS[bytes[i]!]! & WORD) !== 0) i++;
        end = i;
        continue;
      }
      if (c === 32 || c === 9 || c === 13) {
        i++;
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
      if (c === COMMA || c === CLOSE_BRACKET) last = undefined;
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

/** The byte with which the dialect's line comments begin. */
export function commentByteOf(lineComment: readonly string[]): number {
  return lineComment.includes('#') ? HASH : SLASH;
}

/** The byte of a separator. */
export function separatorOf(separator: string): number {
  return separator.length === 1 ? separator.charCodeAt(0) : SEMICOLON;
}
