/** The arguments of directives about symbols and alignment, read from the text's bytes. "Using as", chapter 7. */
import { CLASS, COMMA, DOT, Names, QUOTE, SPACE, TAB, textOf, WORD } from './lex.ts';
import { SYMBOL } from './unit.ts';

/** Numbers of the symbols in a list [from, end) separated by commas. */
export function symbolsIn(names: Names, from: number, end: number): number[] {
  const { bytes } = names;
  const found: number[] = [];
  let i = from;
  while (i < end) {
    while (i < end && (bytes[i] === SPACE || bytes[i] === TAB || bytes[i] === COMMA)) i++;
    if (bytes[i] === QUOTE) {
      let close = i + 1;
      while (close < end && bytes[close] !== QUOTE) close++;
      found.push(names.intern(i + 1, close, Names.hash(bytes, i + 1, close)));
      i = close + 1;
    } else {
      const start = i;
      while (i < end && (CLASS[bytes[i]!]! & WORD) !== 0) i++;
      if (i > start) found.push(names.intern(start, i, Names.hash(bytes, start, i)));
    }
    while (i < end && bytes[i] !== COMMA) i++;
  }
  return found;
}

/** Bits of SYMBOL that a `.type` directive with arguments [from, end) gives its symbol. */
export function typeBitsIn(bytes: Uint8Array, from: number, end: number): number {
  let start = end;
  while (start > from && (CLASS[bytes[start - 1]!]! & WORD) !== 0) start--;
  const last = bytes[end - 1] === QUOTE ? end - 1 : end;
  if (last < end) while (start > from && bytes[start - 1] !== QUOTE) start--;
  const type = textOf(bytes, start, last);
  if (/^(STT_)?FUNC(TION)?$/i.test(type)) return SYMBOL.function;
  if (/^(STT_GNU_IFUNC|gnu_indirect_function)$/.test(type)) return SYMBOL.function | SYMBOL.ifunc;
  if (/^(STT_)?TLS(_OBJECT)?$/i.test(type)) return SYMBOL.thread;
  if (type === 'gnu_unique_object') return SYMBOL.object | SYMBOL.global;
  return /^(STT_)?(OBJECT|COMMON)$/i.test(type) ? SYMBOL.object : 0;
}

/** Bytes that a `.size` directive with arguments [from, end) tells; undefined for an expression. */
export function sizeIn(bytes: Uint8Array, from: number, end: number): number | undefined {
  let digits = bytes.indexOf(COMMA, from) + 1;
  while (bytes[digits] === SPACE || bytes[digits] === TAB) digits++;
  if (digits === 0 || digits >= end || bytes[digits] === DOT) return undefined;
  const expression = textOf(bytes, digits, end);
  return /^(\d+|0x[0-9a-fA-F]+)$/.test(expression) ? Number(expression) : undefined;
}

/** Bytes that the alignment directive in [at, end) asks for. */
export function alignmentIn(bytes: Uint8Array, at: number, end: number, alignIsPower: boolean): number {
  let i = at;
  while (i < end && bytes[i] !== SPACE && bytes[i] !== TAB) i++;
  while (bytes[i] === SPACE || bytes[i] === TAB) i++;
  let value = 0;
  if (bytes[i] === 48 && bytes[i + 1] === 120) {
    value = Number.parseInt(textOf(bytes, i, end), 16) || 1;
  } else {
    for (let c = bytes[i]!; c >= 48 && c <= 57; c = bytes[++i]!) value = value * 10 + c - 48;
  }
  // .p2align N, and .align N where the CPU's dialect has it so, mean 2 to the power of N.
  const power = bytes[at + 1] === 112 || (bytes[at + 1] === 97 && alignIsPower);
  return power ? 2 ** Math.min(value, 30) : Math.max(value, 1);
}
