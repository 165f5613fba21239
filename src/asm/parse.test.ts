import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archNamed } from '../arch/index.ts';
import { assembly } from '../arch/x86_64/assembly.ts';
import { parseUnit } from './parse.ts';
import { SYMBOL } from './unit.ts';

const parse = (...lines: string[]) => parseUnit(`${lines.join('\n')}\n`, assembly, 'unit.s');
const blocks = (unit: ReturnType<typeof parse>): string[] =>
  unit.parts.blocks.map(
    (b) => `${b.kind} ${b.section.use} ${b.labels.map((l) => unit.symbolName(l)).join('=')} ${b.contents}`,
  );

test('a section that does not count ends at whatever selects another', () => {
  for (const back of ['.text', '.data', '.section .text', '.previous', '.popsection']) {
    const enter = back === '.popsection' ? '.pushsection' : '.section';
    const unit = parse(
      '\t.text',
      `\t${enter}\t.note.x,"a",@note`,
      '\t.long 4',
      '.Lend:',
      `\t${back}`,
      'f:',
      '\tnop',
    );
    assert.equal(unit.parts.blocks.length, 1, back);
    assert.equal(unit.symbolName(unit.parts.blocks[0]!.labels[0]!), 'f');
  }
});

test('what is said about symbols within debug sections counts', () => {
  const unit = parse(
    '\t.section\t.debug_str,"MS",@progbits,1',
    '.LASF0:',
    '\t.string\t"\\t.text ; f:"',
    '\t.hidden\tref',
    '\t.weak\tref',
    '\t.set\t.Lalias,ref',
    '\t.section\t.data.rel.local.ref,"awG",@progbits,ref,comdat',
    'ref:',
    '\t.quad\tother',
  );
  assert.deepEqual(blocks(unit), ['variable data ref 1']);
  assert.ok(unit.is(unit.symbol('ref'), SYMBOL.hidden) && unit.linkage(unit.symbol('ref')) === 'weak');
  assert.equal(unit.parts.aliases.size, 1);
});

test('statements on one line, comments and strings', () => {
  const unit = parse(
    'f: nop; jmp g # h: ; .data',
    '\t/* i: */ call "odd name"; 1: jmp 1b',
    '\tlock; incl counter(%rip)',
    '\tlock incl counter(%rip)',
    "\tmovb $'#, %al",
    '\tvmovdqu8 %zmm0, (%rax){%k1}{z}',
    '.size f, .-f',
    '\t.section .rodata',
    's: .ascii "a;b#c\\"d:"; .byte 0',
  );
  assert.deepEqual(blocks(unit), ['function code f 9', 'variable constant s 2']);
  const named = [...unit.references(unit.parts.blocks[0]!)].map((symbol) => unit.symbolName(symbol));
  assert.deepEqual(named, ['g', 'odd name', 'counter', 'counter']);
});

test('registers without a percent sign are no symbols in Intel syntax', () => {
  const unit = parse(
    '\t.intel_syntax noprefix',
    'f:',
    '\tmov\teax, DWORD PTR counter[rip]',
    '\tmov\tr10d, OFFSET FLAT:.LC0',
    '\tlea\trax, [rax+rcx*8]',
  );
  const named = [...unit.references(unit.parts.blocks[0]!)].map((symbol) => unit.symbolName(symbol));
  assert.deepEqual(named, ['counter', '.LC0']);
  assert.equal(unit.parts.syntax, '.intel_syntax noprefix');
});

test('blocks go on where their section was left', () => {
  const unit = parse(
    '\t.type f, @function',
    'f:',
    '\tjmp *.Ltable(,%rax,8)',
    '\t.section .rodata',
    '\t.align 8',
    '.Ltable:',
    '\t.quad .L1',
    '\t.text',
    '.L1:',
    '\tret',
    '\t.section .text.unlikely,"ax",@progbits',
    '\t.type f.cold, @function',
    'f.cold:',
    '\tjmp .L1',
    '\t.text',
    '\t.size f, .-f',
    '\t.section .text.unlikely',
    '\t.size f.cold, .-f.cold',
  );
  assert.deepEqual(blocks(unit), [
    'function code f 2',
    'variable constant .Ltable 1',
    'function code f.cold 1',
  ]);
  const [f, table, cold] = unit.parts.blocks;
  assert.deepEqual([f!.parts, cold!.root, table!.labelTableOf, table!.align], [[cold!.id], f!.id, f!.id, 8]);
});

test('every byte of a text given as a string is one character', () => {
  const bytes = Uint8Array.from([...'f\u00e9: nop\n'].map((c) => c.charCodeAt(0)));
  assert.equal(
    parseUnit(bytes, assembly, 'u').symbol('f\u00e9'),
    parseUnit('f\u00e9: nop\n', assembly, 'u').symbol('f\u00e9'),
  );
});

test('a function that ends without having begun is an error, not an empty unit', () => {
  assert.throws(() => parse('\t.type f, @function', '\t.size f, .-f'), /unit\.s: \.size of the function f/);
});

test('a pool of constants behind a function refers to what it holds', () => {
  const { assembly: aarch64 } = archNamed('aarch64') ?? assert.fail();
  const lines = ['\t.text', '\t.type\tf, %function', 'f:', '\tret', '\t.size\tf, .-f'];
  const pool = ['\t.align\t3', '.LC0:', '\t.xword\tother', '\t.align\t3', '.LC1:', '\t.xword\t.LC2'];
  const unit = parseUnit(`${[...lines, ...pool].join('\n')}\n`, aarch64, 'unit.s');
  assert.deepEqual(blocks(unit), ['function code f 1', 'variable code .LC0 1', 'variable code .LC1 1']);
  const named = unit.parts.blocks.map((block) => [...unit.references(block)].map((s) => unit.symbolName(s)));
  assert.deepEqual(named, [[], ['other'], ['.LC2']]);
});
