/**
 * Which line of the source a place of the assembler text came from: by the line markers that gcc writes between #APP and
 * #NO_APP, as comments of the CPU's dialect, and by `.file` and `.loc`, which stand there when the unit is compiled with -g. GNU as manual, "Loc".
 */
import { textOf } from './lex.ts';
import type { AsmUnit, Block } from './unit.ts';

export interface SourcePlace {
  /** As the compiler names it; undefined: the unit's own. */
  readonly file: string | undefined;
  /** Counted from 1. */
  readonly line: number;
}

const NEWLINE = 10;
const DOT = 46;
const LOC = /^\s*\.loc\s+(\d+)\s+(\d+)/;
/** C17 6.10.4 as cpp writes it. `# 0 "" 2` closes an asm statement. */
const MARKER = /^(?:#|\/\/) ([1-9]\d*) "([^"]*)"/;
const LABEL = /^[A-Za-z_$][^\s":]*:/;

/** What a byte offset of the text belongs to; undefined where nothing before it in its function tells. */
export function sourcePlaceAt(unit: AsmUnit, offset: number): SourcePlace | undefined {
  const { bytes } = unit.parts;
  // Behind an asm statement its markers hold no more.
  let isBehindAsm = false;
  // A label ends the function, unless it turns out to stand in an asm statement.
  let isBeforeLabel = false;
  let end = offset;
  while (end > 0) {
    let start = end;
    while (start > 0 && bytes[start - 1] !== NEWLINE) start--;
    const line = textOf(bytes, start, end);
    end = start - 1;
    const word = line.trim();
    if (word === '#NO_APP') {
      if (isBeforeLabel) return undefined;
      isBehindAsm = true;
    } else if (word === '#APP') {
      if (!isBehindAsm) isBeforeLabel = false;
      isBehindAsm = false;
    }
    const marker = isBehindAsm ? null : MARKER.exec(line);
    if (marker !== null) return { file: marker[2], line: Number(marker[1]) };
    const loc = locIn(unit, line);
    if (loc !== undefined) return isBeforeLabel ? undefined : loc;
    if (!isBehindAsm && LABEL.test(line)) isBeforeLabel = true;
  }
  return undefined;
}

/** What asm at file scope that begins behind a byte offset came from; clang does not tell. */
export function sourcePlaceBehind(unit: AsmUnit, offset: number): SourcePlace | undefined {
  const { bytes } = unit.parts;
  for (let start = offset; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    const line = textOf(bytes, start, end);
    if (line.trim() === '#NO_APP') return undefined;
    const marker = MARKER.exec(line);
    if (marker !== null) return { file: marker[2], line: Number(marker[1]) };
    start = end + 1;
  }
  return undefined;
}

/** Where a function begins in the source; undefined without -g, and for data. */
export function sourcePlaceOf(unit: AsmUnit, block: Block | undefined): SourcePlace | undefined {
  const { bytes, statementStart, statementEnd } = unit.parts;
  if (block?.kind !== 'function') return undefined;
  const [from, to] = block.ranges;
  if (from === undefined || to === undefined || to <= from) return undefined;
  const text = textOf(bytes, statementStart.at(from), statementEnd.at(to - 1));
  for (const line of text.split('\n')) {
    const loc = locIn(unit, line);
    if (loc !== undefined) return loc;
  }
  return undefined;
}

function locIn(unit: AsmUnit, line: string): SourcePlace | undefined {
  const [, file, number] = LOC.exec(line) ?? [];
  // Line 0: the compiler made it up (DWARF 5, 6.2.2).
  if (file === undefined || number === undefined || number === '0') return undefined;
  return { file: sourceFile(unit, Number(file)), line: Number(number) };
}

/** The name of a file by its number in `.file` directives. */
export function sourceFile({ parts: { bytes } }: AsmUnit, number: number): string | undefined {
  for (let at = bytes.indexOf(DOT); at >= 0; at = bytes.indexOf(DOT, at + 1)) {
    if (textOf(bytes, at, Math.min(at + 5, bytes.length)) !== '.file') continue;
    const newline = bytes.indexOf(NEWLINE, at);
    const line = textOf(bytes, at, newline < 0 ? bytes.length : newline);
    if (Number.parseInt(line.slice(5), 10) !== number) continue;
    const names = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)];
    // DWARF 5 has the folder apart.
    return names[1]?.[1] ?? names[0]?.[1];
  }
  return undefined;
}
