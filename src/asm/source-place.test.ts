import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archNamed } from '../arch/index.ts';
import { parseUnit } from './index.ts';
import { sourceFile, sourcePlaceAt, sourcePlaceBehind, sourcePlaceOf } from './source-place.ts';
import type { AsmUnit } from './unit.ts';

const { assembly } = archNamed('x86_64') ?? assert.fail();
const unitOf = (lines: readonly string[]): AsmUnit =>
  parseUnit(new TextEncoder().encode(`${lines.join('\n')}\n`), assembly, 'main.c');
const offset = (unit: AsmUnit, text: string): number => Buffer.from(unit.parts.bytes).indexOf(text);

const OPENING = ['\t.text', '\t.globl\tf', '\t.type\tf, @function', 'f:'];
const CLOSING = ['\tret', '\t.size\tf, .-f'];

test('a line marker of an asm statement counts inside it and not behind it', () => {
  const unit = unitOf([
    ...OPENING,
    '#APP',
    '# 12 "lib/shared.h" 1',
    '\tnop',
    'inner:',
    '\thlt',
    '# 0 "" 2',
    '#NO_APP',
    '\tud2',
    ...CLOSING,
  ]);
  assert.deepEqual(sourcePlaceAt(unit, offset(unit, 'hlt')), { file: 'lib/shared.h', line: 12 });
  assert.equal(sourcePlaceAt(unit, offset(unit, 'ud2')), undefined);
});

test('a line marker is a comment of the CPU', () => {
  const { assembly: aarch64 } = archNamed('aarch64') ?? assert.fail();
  const asm = ['#APP', '// 7 "main.c" 1', '\tnop', '// 0 "" 2', '#NO_APP'];
  const unit = parseUnit(`\t.text\n\t.type\tf, %function\nf:\n${asm.join('\n')}\n`, aarch64, 'main.c');
  assert.deepEqual(sourcePlaceAt(unit, offset(unit, 'nop')), { file: 'main.c', line: 7 });
});

test('.loc counts to the next one and not beyond its function', () => {
  const loc = ['\t.file 1 "/src" "main.c"', '\t.loc 1 3 14 view -0', '\tnop', '\t.loc 1 0 0', '\thlt'];
  const unit = unitOf([
    ...OPENING,
    ...loc,
    ...CLOSING,
    '\t.type\tg, @function',
    'g:',
    '\tud2',
    '\t.size\tg, .-g',
  ]);
  assert.deepEqual(sourcePlaceAt(unit, offset(unit, 'hlt')), { file: 'main.c', line: 3 });
  assert.equal(sourcePlaceAt(unit, offset(unit, 'ud2')), undefined);
  assert.deepEqual(sourcePlaceOf(unit, unit.blockOf(unit.symbol('f'))), { file: 'main.c', line: 3 });
  assert.equal(sourcePlaceOf(unit, unit.blockOf(unit.symbol('g'))), undefined);
});

test('asm at file scope is placed by the marker behind its start, if there is one', () => {
  const unit = unitOf([
    '#APP',
    '# 7 "main.c" 1',
    '\t.globl a',
    '# 0 "" 2',
    '#NO_APP',
    ...OPENING,
    ...CLOSING,
  ]);
  assert.deepEqual(sourcePlaceBehind(unit, 4), { file: 'main.c', line: 7 });
  const silent = unitOf(['#APP', '\t.globl a', '#NO_APP', '#APP', '# 9 "main.c" 1', '#NO_APP']);
  assert.equal(sourcePlaceBehind(silent, 4), undefined);
});

test('files are found by number, with tabs, folders and check sums', () => {
  const unit = unitOf([
    '\t.file\t"main.c"',
    '\t.file\t0 "/src" "a.c" md5 0x0ad7',
    '\t.file 1 "h.h"',
    '\t.file 11 "x.h"',
  ]);
  assert.deepEqual(
    [0, 1, 11, 2].map((number) => sourceFile(unit, number)),
    ['a.c', 'h.h', 'x.h', undefined],
  );
});
