import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assembly } from '../arch/x86_64/assembly.ts';
import { compareUnits, composeUnit, parseUnit, selectFunctions } from './index.ts';

interface Made {
  readonly name: string;
  readonly global?: boolean;
  readonly calls?: readonly string[];
  /** An immediate that differs between versions. */
  readonly value: number;
}

const unit = (functions: readonly Made[]) =>
  parseUnit(
    functions
      .map(({ name, global, calls = [], value }) =>
        [
          ...(global ? [`\t.globl\t${name}`] : []),
          `\t.type\t${name}, @function`,
          `${name}:`,
          `\tmovl\t$${value}, %eax`,
          ...calls.map((callee) => `\tcall\t${callee}`),
          '\tret',
          `\t.size\t${name}, .-${name}`,
        ].join('\n'),
      )
      .join('\n'),
    assembly,
    'unit.s',
  );

function select(make: (version: number) => readonly Made[], wanted: string) {
  const original = unit(make(1));
  const patched = unit(make(2));
  const difference = compareUnits(original, patched);
  const selection = selectFunctions(patched, difference, (name) => name === wanted);
  return { selection, composed: composeUnit(original, patched, difference, selection) };
}

test('a selected function brings the changed functions it calls, through unchanged static ones', () => {
  const { selection, composed } = select(
    (value) => [
      { name: 'selected', global: true, calls: ['between'], value },
      { name: 'between', calls: ['deep'], value: 7 },
      { name: 'deep', value },
      { name: 'unrelated', global: true, value },
    ],
    'selected',
  );
  assert.deepEqual([...selection.functions], ['selected', 'deep']);
  assert.deepEqual(selection.leftOut, ['unrelated']);
  const deep = composed.functions.find(({ name }) => name === 'deep');
  assert.deepEqual(deep?.reasons.at(-1), { kind: 'neighbour', of: 'selected' });
  assert.deepEqual(
    composed.references.map(({ name, scope }) => `${name} ${scope}`),
    ['between unit'],
  );
});

test('a selected static function brings its changed callers', () => {
  const { selection } = select(
    (value) => [
      { name: 'selected', value },
      { name: 'caller', global: true, calls: ['selected'], value },
      { name: 'bystander', global: true, calls: ['selected'], value: 7 },
    ],
    'selected',
  );
  assert.deepEqual([...selection.functions], ['selected', 'caller']);
});

test('a call through the PLT promises no more than the ABI', () => {
  const { selection } = select(
    (value) => [
      { name: 'selected', global: true, calls: ['other@PLT'], value },
      { name: 'other', global: true, value },
    ],
    'selected',
  );
  assert.deepEqual([...selection.functions], ['selected']);
  assert.deepEqual(selection.leftOut, ['other']);
});

test('the source name selects the copies that the compiler made', () => {
  const original = unit([{ name: 'f.isra.0', value: 1 }]);
  const patched = unit([{ name: 'f.isra.0', value: 2 }]);
  const difference = compareUnits(original, patched);
  const selection = selectFunctions(patched, difference, (name) => name === 'f');
  assert.deepEqual([...selection.functions], ['f.isra.0']);
});
