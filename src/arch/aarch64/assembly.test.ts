import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareUnits, parseUnit } from '../../asm/index.ts';
import { assembly } from './assembly.ts';

/** Names that the statements of function f refer to. */
function references(...statements: string[]): string[] {
  const unit = parseUnit(unitText(statements), assembly, 'x.c');
  const f = unit.blockOf(unit.symbol('f'))!;
  return [...unit.references(f)].map((symbol) => unit.symbolName(symbol)).sort();
}

const unitText = (statements: readonly string[], head: readonly string[] = []): string =>
  [
    '\t.arch armv8-a',
    '\t.text',
    ...head,
    '\t.align\t2',
    '\t.global\tf',
    '\t.type\tf, %function',
    'f:',
    ...statements.map((text) => `\t${text}`),
    '\tret',
    '\t.size\tf, .-f',
    '',
  ].join('\n');

test('a word is a register or a symbol by its place', () => {
  const cases: [statement: string, names: string[]][] = [
    ['adrp\tx0, x1', ['x1']],
    ['ldr\tw2, [x20, #:lo12:d0]', ['d0']],
    ['add\tx0, x0, :lo12:sp', ['sp']],
    ['bl\teq', ['eq']],
    ['b\tc', ['c']],
    ['cbz\tx0, lt', ['lt']],
    ['ldr\tx0, s1', ['s1']],
    ['ldr\tx0, [x1], 8', []],
    ['csel\tw0, w1, wzr, eq', []],
    ['add\tx0, x1, w2, sxtw 2', []],
    ['blr\tx3', []],
    ['bti\tc', []],
    ['mrs\tx0, tpidr_el0', []],
    ['prfm\tPLDL1KEEP, [x0]', []],
    ['dmb\tish', []],
    ['ld1\t{v0.16b, v1.16b}, [x0]', []],
    ['add\tv0.4s, v1.4s, v2.4s', []],
    ['ld1w\tz1.s, p0/z, [x0, x2, lsl 2]', []],
    ['movz\tx0, #:abs_g1:big', ['big']],
    ['add\tx7, x2, #:tprel_hi12:mine, lsl #12', ['mine']],
    ['.tlsdesccall\tmine', ['mine']],
    ['.xword\tx1', ['x1']],
    ['add\tx0, x0, :lo12:.LC0 // not this one', ['.LC0']],
  ];
  for (const [statement, names] of cases) assert.deepEqual(references(statement), names, statement);
});

test('a function that moved is the same function', () => {
  const text = [
    'hint\t25 // paciasp',
    '.cfi_window_save',
    'bl\tg',
    'hint\t29 // autiasp',
    '.cfi_window_save',
  ];
  const before = parseUnit(unitText(['.cfi_startproc', ...text, '.cfi_endproc']), assembly, 'x.c');
  const after = parseUnit(
    unitText(
      ['.cfi_startproc', ...text.map((line) => line.replace(/\/\/.*/, '// other words')), '.cfi_endproc'],
      ['\t.arch_extension crc'],
    ),
    assembly,
    'x.c',
  );
  const { functions } = compareUnits(before, after);
  assert.deepEqual(
    functions.map(({ name, kind }) => `${name} ${kind}`),
    [],
  );
});

test('the sign of code that depends on the layout of all variables, and the option against it', () => {
  const text = '\tadrp\tx0, .LANCHOR0\n';
  assert.deepEqual(
    assembly.layoutDependence.filter(({ sign }) => text.includes(sign)).map(({ option }) => option),
    ['-fno-section-anchors'],
  );
});
