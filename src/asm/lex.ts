/**
 * Characters of assembler text as GNU as reads them ("Using as", 3.4 Symbols, 3.3 Comments), and symbols as numbers.
 * Text is bytes: nothing here makes a string of a token that is not new.
 */
import { Column } from './column.ts';

export const TAB = 9;
export const NEWLINE = 10;
export const CARRIAGE_RETURN = 13;
export const SPACE = 32;
export const QUOTE = 34;
export const HASH = 35;
export const DOLLAR = 36;
export const PERCENT = 37;
export const APOSTROPHE = 39;
export const STAR = 42;
export const COMMA = 44;
export const MINUS = 45;
export const DOT = 46;
export const SLASH = 47;
export const COLON = 58;
export const SEMICOLON = 59;
export const EQUALS = 61;
export const AT = 64;
export const BACKSLASH = 92;
export const CLOSE_BRACKET = 93;
export const OPEN_BRACE = 123;
export const CLOSE_BRACE = 125;
export const CAPITAL_L = 76;

/** Bits of `CLASS`. */
export const WORD_START = 1;
export const WORD = 2;
export const DIGIT = 4;

/** What each byte may be. `$` continues a word but does not start one: there it marks an immediate operand. */
export const CLASS = (() => {
  const table = new Uint8Array(256);
  for (let c = 0; c < 256; c++) {
    const letter = (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95 || c === DOT || c >= 128;
    const digit = c >= 48 && c <= 57;
    table[c] = (letter ? WORD_START : 0) | (letter || digit || c === DOLLAR ? WORD : 0) | (digit ? DIGIT : 0);
  }
  return table;
})();

/** Bytes of a text given as a string of one character a byte; a character beyond that is written as UTF-8. */
export function encodeText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) return encodeWide(text);
    bytes[i] = code;
  }
  return bytes;
}

function encodeWide(text: string): Uint8Array {
  const out: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x80) out.push(code);
    else if (code < 0x800) out.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else
      out.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63),
      );
  }
  return Uint8Array.from(out);
}

/** Bytes [start, end) as a string, one character a byte. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  let out = '';
  if (end - start <= 48) {
    for (let at = start; at < end; at++) out += String.fromCharCode(bytes[at]!);
    return out;
  }
  for (let at = start; at < end; at += 4096) {
    out += String.fromCharCode.apply(
      null,
      bytes.subarray(at, Math.min(at + 4096, end)) as unknown as number[],
    );
  }
  return out;
}

/** Gives every distinct name in the text a number, by open addressing on the bytes themselves. */
export class Names {
  readonly starts: Column;
  readonly ends: Column;
  readonly hashes: Column;
  #slots: Int32Array;
  #mask: number;
  readonly #strings = new Map<number, string>();

  constructor(
    readonly bytes: Uint8Array,
    capacity: number,
  ) {
    this.starts = new Column(capacity);
    this.ends = new Column(capacity);
    this.hashes = new Column(capacity);
    let size = 1024;
    while (size < capacity * 2) size *= 2;
    this.#slots = new Int32Array(size).fill(-1);
    this.#mask = size - 1;
  }

  get length(): number {
    return this.starts.length;
  }

  /** FNV-1a over [start, end). */
  static hash(bytes: Uint8Array, start: number, end: number): number {
    let hash = 0x811c9dc5 | 0;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    return hash ^ (hash >>> 15);
  }

  /** Number of the name at [start, end) with its `hash`; a new one is the former `length`. */
  intern(start: number, end: number, hash: number): number {
    let slot = hash & this.#mask;
    for (;;) {
      const id = this.#slots[slot]!;
      if (id < 0) break;
      if (this.hashes.values[id] === hash && this.#same(id, this.bytes, start, end)) return id;
      slot = (slot + 1) & this.#mask;
    }
    const id = this.starts.push(start);
    this.ends.push(end);
    this.hashes.push(hash);
    this.#slots[slot] = id;
    if (this.length * 2 > this.#mask) this.#grow();
    return id;
  }

  /** Number of the same name that stands in other bytes, or -1. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    let slot = hash & this.#mask;
    for (;;) {
      const id = this.#slots[slot]!;
      if (id < 0) return -1;
      if (this.hashes.values[id] === hash && this.#same(id, bytes, start, end)) return id;
      slot = (slot + 1) & this.#mask;
    }
  }

  /** Number of a name, or -1. */
  findText(name: string): number {
    const bytes = encodeText(name);
    return this.find(bytes, 0, bytes.length, Names.hash(bytes, 0, bytes.length));
  }

  text(id: number): string {
    let text = this.#strings.get(id);
    if (text === undefined) {
      text = textOf(this.bytes, this.starts.at(id), this.ends.at(id));
      this.#strings.set(id, text);
    }
    return text;
  }

  #same(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const own = this.starts.values[id]!;
    if (this.ends.values[id]! - own !== end - start) return false;
    for (let i = 0; i < end - start; i++) if (this.bytes[own + i] !== bytes[start + i]) return false;
    return true;
  }

  #grow(): void {
    const size = this.#slots.length * 2;
    this.#slots = new Int32Array(size).fill(-1);
    this.#mask = size - 1;
    for (let id = 0; id < this.length; id++) {
      let slot = this.hashes.values[id]! & this.#mask;
      while (this.#slots[slot]! >= 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = id;
    }
  }
}
