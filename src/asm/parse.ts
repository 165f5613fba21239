/**
 * Reads assembler text into a unit: every statement goes to the block that is open in its section, whatever text lies
 * between. Debug sections are passed over line by line without a look at their words.
 */
import type { Assembly } from '../arch/arch.ts';
import { BlockBuilder } from './block-builder.ts';
import { Directive, directiveNamed } from './directive.ts';
import {
  CLASS,
  COLON,
  DIGIT,
  DOT,
  EQUALS,
  encodeText,
  HASH,
  Names,
  NEWLINE,
  QUOTE,
  SLASH,
  SPACE,
  STAR,
  TAB,
  textOf,
  WORD,
  WORD_START,
} from './lex.ts';
import { commentByteOf, OperandReader, separatorOf } from './operand.ts';
import { SectionStack } from './section-stack.ts';
import { type AsmUnit, Statement } from './unit.ts';

/**
 * Reads a whole assembler text.
 * @param text bytes, or a string of one character a byte
 * @param name how messages call the unit
 * @throws SutureError BAD_FORMAT for a text that ends functions it has not begun
 */
export function parseUnit(text: string | Uint8Array, assembly: Assembly, name: string): AsmUnit {
  // A plain view: a subclass of Uint8Array would make every access in the hot loops polymorphic.
  const bytes =
    typeof text === 'string'
      ? encodeText(text)
      : new Uint8Array(text.buffer, text.byteOffset, text.byteLength);
  return new UnitParser(bytes, assembly, name).parse();
}

const PREFIX = -2;
const UNKNOWN = -1;

class UnitParser {
  readonly #names: Names;
  readonly #reader: OperandReader;
  readonly #builder: BlockBuilder;
  readonly #sections = new SectionStack();
  readonly #comment: number;
  readonly #separator: number;
  /** By name: a Directive, PREFIX or UNKNOWN. */
  #roles = new Int8Array(1024).fill(UNKNOWN);
  /** By name, for Intel syntax: 1 reserved, 0 not, UNKNOWN. */
  #reserved = new Int8Array(0);
  /** By mnemonic, where registers are bare words. */
  readonly #labelTakers = new Map<string, boolean>();
  #inAsm = false;
  #fileScopeFrom = -1;
  /** The section from which inline asm inside a function has switched away. */
  #home: string | undefined;

  constructor(
    readonly bytes: Uint8Array,
    readonly assembly: Assembly,
    readonly name: string,
  ) {
    this.#names = new Names(bytes, Math.min(1 << 18, 1024 + (bytes.length >> 6)));
    this.#comment = commentByteOf(assembly.lineComment);
    this.#separator = separatorOf(assembly.separator);
    this.#builder = new BlockBuilder(bytes, this.#names, assembly, name);
    const { refStart, refEnd, refSymbol } = this.#builder.statements;
    const suffix = assembly.relocationSuffix?.charCodeAt(0) ?? -1;
    this.#reader = new OperandReader(
      bytes,
      this.#names,
      refStart,
      refEnd,
      refSymbol,
      this.#comment,
      this.#separator,
      suffix,
      assembly.relocationPrefix?.charCodeAt(0) ?? -1,
      (symbol) => this.#isReserved(symbol),
    );
    this.#reader.bareRegisters = assembly.bareRegisters;
  }

  parse(): AsmUnit {
    const { bytes } = this;
    const length = bytes.length;
    this.#enter();
    let at = 0;
    while (at < length) {
      if (this.#builder.ignoring && !this.#inAsm) {
        at = this.#skipIgnored(at);
        if (at >= length) break;
        // Blanks are skipped here: at the next turn this line would be passed over.
        while (bytes[at] === TAB) at++;
      }
      const c = bytes[at]!;
      if (c === SPACE || c === TAB || c === NEWLINE || c === 13 || c === this.#separator) {
        at++;
      } else if (c === HASH || (c === this.#comment && bytes[at + 1] === SLASH)) {
        at = this.#commentLine(at);
      } else if (c === SLASH && bytes[at + 1] === STAR) {
        at = this.#afterBlockComment(at);
      } else {
        at = this.#statement(at);
      }
    }
    if (this.#fileScopeFrom >= 0) this.#endFileScope(length);
    return this.#builder.finish(this.#sections.seen);
  }

  /** From a line start in a section that does not count to the next directive that might end it. */
  #skipIgnored(from: number): number {
    const { bytes } = this;
    const length = bytes.length;
    let at = from;
    // Anything but a line start: the rest of a line that was read.
    while (at > 0 && at < length && bytes[at - 1] !== NEWLINE) at++;
    while (at < length) {
      if (bytes[at] === TAB && bytes[at + 1] === DOT) {
        if (mayMatter(bytes[at + 2]!, bytes[at + 3]!, bytes[at + 4]!)) return at;
      } else if (bytes[at] === HASH || (bytes[at] === DOT && bytes[at + 1] === 115)) {
        return at; // "#APP", and ".set" or ".section" at the line start
      }
      while (at < length && bytes[at] !== NEWLINE) at++;
      at++;
    }
    return length;
  }

  /** A comment: gcc marks what the source wrote as asm with #APP … #NO_APP and line markers between (source-place.ts reads them); clang in words. */
  #commentLine(at: number): number {
    const { bytes } = this;
    const end = this.#reader.lineEnd(at);
    if (bytes[at] === SLASH) at++;
    const next = bytes[at + 1];
    if (next === 65 || next === 78) {
      const word = textOf(bytes, at, Math.min(end, at + 8)).trim();
      if (word === '#APP') this.#beginAsm(end);
      else if (word === '#NO_APP') this.#endAsm(at);
    } else if (next === SPACE && (bytes[at + 2] === 83 || bytes[at + 2] === 69)) {
      const words = textOf(bytes, at + 2, end).trim();
      if (words === 'Start of file scope inline assembly') this.#beginAsm(end);
      else if (words === 'End of file scope inline assembly') this.#endAsm(at);
    }
    return end;
  }

  #beginAsm(at: number): void {
    this.#inAsm = true;
    if (!this.#builder.inFunction) this.#fileScopeFrom = at;
  }

  #endAsm(at: number): void {
    this.#inAsm = false;
    if (this.#fileScopeFrom >= 0) this.#endFileScope(at);
    if (this.#home !== undefined) {
      this.#builder.odd('asm-section', 'inline asm that leaves its function in another section', at);
      this.#home = undefined;
    }
  }

  #endFileScope(at: number): void {
    this.#builder.noteFileScopeAsm(this.#fileScopeFrom, at);
    this.#fileScopeFrom = -1;
  }

  #afterBlockComment(at: number): number {
    for (let i = at + 2; i + 1 < this.bytes.length; i++) {
      if (this.bytes[i] === STAR && this.bytes[i + 1] === SLASH) return i + 2;
    }
    return this.bytes.length;
  }

  /** Reads one label or statement that begins at `at`; returns where the next one begins. */
  #statement(at: number): number {
    const { bytes } = this;
    const first = bytes[at]!;
    let end = at;
    let id = -1;
    if ((CLASS[first]! & WORD_START) !== 0) {
      let hash = 0x811c9dc5 | 0;
      let c = first;
      do {
        hash = Math.imul(hash ^ c, 0x01000193);
        c = bytes[++end] ?? 0;
      } while ((CLASS[c]! & WORD) !== 0);
      id = this.#names.intern(at, end, hash ^ (hash >>> 15));
    } else if ((CLASS[first]! & DIGIT) !== 0) {
      while ((CLASS[bytes[end] ?? 0]! & DIGIT) !== 0) end++;
      if (bytes[end] === COLON) {
        this.#builder.numericLabel(at, end + 1);
        return end + 1;
      }
    } else if (first === QUOTE) {
      while (++end < bytes.length && bytes[end] !== QUOTE && bytes[end] !== NEWLINE);
      end++;
      if (bytes[end] === COLON) {
        const hash = Names.hash(bytes, at + 1, end - 1);
        this.#builder.label(this.#names.intern(at + 1, end - 1, hash), at, end + 1, this.#inAsm);
        return end + 1;
      }
    }
    if (id >= 0) {
      let after = end;
      while (bytes[after] === SPACE || bytes[after] === TAB) after++;
      const c = bytes[after];
      if (c === COLON && bytes[after + 1] !== COLON) {
        this.#builder.label(id, at, after + 1, this.#inAsm);
        return after + 1;
      }
      if (c === EQUALS) {
        const skip = bytes[after + 1] === EQUALS ? 2 : 1;
        return this.#assignment(id, at, after + skip);
      }
      const role = this.#roleOf(id);
      if (role > 0) return this.#directive(role, at, end);
      if (role === PREFIX) return this.#prefixed(at, end);
    }
    return this.#content(at, end);
  }

  /** `lock incl x`: the word after a prefix is a mnemonic, not a symbol. */
  #prefixed(at: number, prefixEnd: number): number {
    const { bytes } = this;
    let end = prefixEnd;
    for (;;) {
      let i = end;
      while (bytes[i] === SPACE || bytes[i] === TAB) i++;
      if ((CLASS[bytes[i] ?? 0]! & WORD_START) === 0) break;
      const start = i;
      while ((CLASS[bytes[i] ?? 0]! & WORD) !== 0) i++;
      end = i;
      if (!this.assembly.isPrefix(textOf(bytes, start, i))) break;
    }
    return this.#content(at, end);
  }

  #content(at: number, operands: number): number {
    this.#builder.statements.begin();
    if (this.assembly.bareRegisters) this.#scanByMnemonic(at, operands);
    else this.#reader.scan(operands, true);
    this.#builder.content(Statement.Content, at, Math.max(operands, this.#reader.end), this.#inAsm);
    return this.#reader.next;
  }

  /** Where any word may be a register's: in the operands of instructions, but for those that take a label. */
  #scanByMnemonic(at: number, operands: number): void {
    const reader = this.#reader;
    reader.bareRegisters = this.bytes[at] !== DOT;
    reader.endsWithSymbol = reader.bareRegisters && this.#takesLabel(at, operands);
    reader.scan(operands, true);
    reader.bareRegisters = true;
    reader.endsWithSymbol = false;
  }

  #takesLabel(at: number, end: number): boolean {
    const mnemonic = textOf(this.bytes, at, end);
    let takes = this.#labelTakers.get(mnemonic);
    if (takes === undefined) {
      takes = this.assembly.takesLabel(mnemonic);
      this.#labelTakers.set(mnemonic, takes);
    }
    return takes;
  }

  #assignment(symbol: number, at: number, expression: number): number {
    const { bareRegisters } = this.#reader;
    this.#reader.bareRegisters = bareRegisters && !this.assembly.bareRegisters;
    this.#builder.statements.begin();
    this.#reader.scan(expression, true);
    this.#reader.bareRegisters = bareRegisters;
    this.#builder.alias(symbol, at, expression, this.#reader.end, this.#inAsm);
    return this.#reader.next;
  }

  #roleOf(id: number): number {
    if (id >= this.#roles.length) {
      const larger = new Int8Array(Math.max(id + 1, this.#roles.length * 2)).fill(UNKNOWN);
      larger.set(this.#roles);
      this.#roles = larger;
    }
    let role = this.#roles[id]!;
    if (role === UNKNOWN) {
      const name = this.#names.text(id);
      if (name.startsWith('.')) role = this.#directiveRole(name.toLowerCase());
      else role = this.assembly.isPrefix(name) ? PREFIX : Directive.None;
      this.#roles[id] = role;
    }
    return role;
  }

  #directiveRole(name: string): number {
    return this.assembly.modeDirectives.includes(name) ? Directive.Mode : directiveNamed(name);
  }

  #isReserved(id: number): boolean {
    if (id >= this.#reserved.length) {
      const larger = new Int8Array(Math.max(1024, id + 1, this.#reserved.length * 2)).fill(UNKNOWN);
      larger.set(this.#reserved);
      this.#reserved = larger;
    }
    if (this.#reserved[id] === UNKNOWN) {
      this.#reserved[id] = this.assembly.isRegister(this.#names.text(id)) ? 1 : 0;
    }
    return this.#reserved[id] === 1;
  }

  /** The statement's arguments as text. */
  #arguments(from: number): string {
    this.#reader.scan(from, false);
    return textOf(this.bytes, from, this.#reader.end).trim();
  }

  #directive(directive: Directive, at: number, operands: number): number {
    const { bytes } = this;
    const builder = this.#builder;
    const reader = this.#reader;
    switch (directive) {
      case Directive.Skip: {
        // `.file "a;b"`: quotes matter.
        reader.scan(operands, false);
        return reader.next;
      }
      case Directive.Align:
        builder.statements.begin();
        reader.scan(operands, false);
        builder.align(at, reader.end, this.#inAsm);
        return reader.next;
      case Directive.Frame:
        builder.statements.begin();
        reader.scan(operands, false);
        builder.frame(at, reader.end);
        return reader.next;
      case Directive.FrameReference:
        builder.statements.begin();
        reader.scan(operands, true);
        builder.frameReference(at, reader.end);
        return reader.next;
      case Directive.Text8:
        builder.statements.begin();
        reader.scan(operands, false);
        builder.content(Statement.Content, at, reader.end, this.#inAsm);
        return reader.next;
      case Directive.Text:
      case Directive.Data:
      case Directive.Bss:
      case Directive.Section:
      case Directive.PushSection:
      case Directive.PopSection:
      case Directive.Previous:
      case Directive.Subsection:
        this.#switch(directive, at, this.#arguments(operands));
        return reader.next;
      case Directive.Set: {
        const args = this.#arguments(operands);
        const next = reader.next;
        const comma = args.indexOf(',');
        let nameAt = operands;
        while (bytes[nameAt] === SPACE || bytes[nameAt] === TAB) nameAt++;
        const nameEnd = nameAt + (comma < 0 ? args.length : args.slice(0, comma).trimEnd().length);
        let expression = nameEnd;
        while (expression < reader.end && bytes[expression] !== 44) expression++;
        const quoted = bytes[nameAt] === QUOTE ? 1 : 0;
        const from = nameAt + quoted;
        const to = nameEnd - quoted;
        const symbol = this.#names.intern(from, to, Names.hash(bytes, from, to));
        this.#assignment(symbol, at, Math.min(next, expression + 1));
        return next;
      }
      case Directive.Mode:
        reader.scan(operands, false);
        builder.mode(at, reader.end, this.#inAsm);
        return reader.next;
      case Directive.Macro:
        return this.#macro(at);
      case Directive.Syntax: {
        const args = this.#arguments(operands);
        const intel = bytes[at + 1] === 105 || bytes[at + 1] === 73;
        reader.bareRegisters = intel ? args.includes('noprefix') : false;
        builder.syntax(at, reader.end);
        return reader.next;
      }
      default: {
        reader.scan(operands, false);
        builder.attribute(directive, at, reader.end, this.#inAsm);
        return reader.next;
      }
    }
  }

  #switch(directive: Directive, at: number, args: string): void {
    const builder = this.#builder;
    const before = this.#sections.key;
    const embedded = this.#home !== undefined || (this.#inAsm && builder.inFunction);
    this.#sections.apply(directive, args);
    if (embedded) {
      this.#home ??= before;
      builder.embeddedSwitch(at, this.#reader.end, this.#sections.section);
      if (this.#sections.key === this.#home) this.#home = undefined;
      return;
    }
    this.#enter();
  }

  #enter(): void {
    this.#builder.enter(this.#sections.key, this.#sections.section);
  }

  /** Keeps a macro definition verbatim: its body is no statement until it is used. */
  #macro(at: number): number {
    const { bytes } = this;
    let i = at;
    let depth = 0;
    while (i < bytes.length) {
      const end = this.#reader.lineEnd(i);
      const line = textOf(bytes, i, end).trim();
      if (/^\.macro\b/.test(line)) depth++;
      if (/^\.endm\b/.test(line) && --depth === 0) {
        this.#builder.noteMacro(at, end);
        return end;
      }
      i = end + 1;
    }
    this.#builder.odd('macro', 'an assembler macro without its end', at);
    return bytes.length;
  }
}

/**
 * Whether a directive, by the first letters after its dot, can do more than put bytes into a debug section: change the
 * section or say something about a symbol. Those that put bytes: long value byte uleb128 sleb128 string ascii quad …
 */
function mayMatter(a: number, b: number, c: number): boolean {
  switch (a) {
    case 115: // s: section set size subsection symver; not string sleb128 short skip
      return b === 101 || b === 105 || b === 117 || b === 121;
    case 98: // b: bss; not byte balign
      return b === 115;
    case 108: // l: local lcomm; not long loc
      return (b === 111 && c === 99) || b === 99;
    case 112: // p: previous popsection protected pushsection; not p2align
      return b !== 50;
    case 116: // text type
    case 104: // hidden
    case 119: // weak weakref
    case 103: // globl
    case 99: // comm
    case 101: // equ
      return true;
    case 100: // data; not dc.
      return b === 97;
    case 105: // internal; not int ident
      return b === 110 && c === 116;
    default:
      return false;
  }
}
