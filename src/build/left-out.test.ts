import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archNamed } from '../arch/index.ts';
import { parseUnit } from '../asm/index.ts';
import { type LeftOut, leftOutOf, leftWithOldSignature, type NewSignature } from './left-out.ts';

const signature = (name: string, more: Partial<NewSignature> = {}): NewSignature => ({
  kind: 'signature',
  function: name,
  before: `int ${name}(int)`,
  after: `int ${name}(int, int)`,
  unit: 'a.c',
  isLocal: false,
  ...more,
});

const caller = (...uses: string[]): LeftOut => ({ unit: 'a.c', name: 'caller', uses: new Set(uses) });

test('what a function that is left out refers to, in its new version', () => {
  const arch = archNamed('x86_64');
  assert.ok(arch);
  const text = `
	.text
	.type	step, @function
step:
	ret
	.size	step, .-step
	.globl	caller
	.type	caller, @function
caller:
	call	step
	movl	limit(%rip), %eax
	jmp	puts@PLT
	.size	caller, .-caller
	.local	limit
	.comm	limit,4,4
`;
  const patched = parseUnit(text, arch.assembly, 'a.c');
  const [found] = leftOutOf('a.c', patched, {
    functions: new Set(),
    neighbours: new Map(),
    leftOut: ['caller'],
  });
  assert.equal(found?.name, 'caller');
  assert.equal(found?.unit, 'a.c');
  assert.deepEqual([...(found?.uses ?? [])].sort(), ['limit', 'puts', 'step']);
});

test('a caller that stays as it was is refused when a function takes something else', () => {
  const [refused, ...more] = leftWithOldSignature(
    [caller('puts', 'step')],
    [signature('other'), signature('step')],
  );
  assert.equal(more.length, 0);
  assert.equal(
    refused?.what,
    'int step(int) becomes int step(int, int), and caller, which uses it, is left out with what it passes now',
  );
  assert.equal(refused?.where, 'caller');
  assert.equal(refused?.remedy, 'select caller too, or leave --function out');
});

test('callers of functions that take what they took are no matter', () => {
  assert.deepEqual(leftWithOldSignature([caller('puts')], [signature('step')]), []);
  assert.deepEqual(leftWithOldSignature([], [signature('step')]), []);
});

test('a compiler’s copy of the function counts as the function', () => {
  for (const copy of ['step.isra.0', 'step.constprop.1', 'step.part.0'])
    assert.equal(leftWithOldSignature([caller(copy)], [signature('step')]).length, 1, copy);
});

test('a static function is only its own unit’s', () => {
  const local = signature('step', { isLocal: true, unit: 'b.c' });
  assert.deepEqual(leftWithOldSignature([caller('step')], [local]), []);
  assert.equal(leftWithOldSignature([{ ...caller('step'), unit: 'b.c' }], [local]).length, 1);
  assert.equal(leftWithOldSignature([caller('step')], [{ ...local, isLocal: false }]).length, 1);
});
