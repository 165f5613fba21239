/** The comparison is exact on a unit as large as they come. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { x86_64 } from '../../src/arch/x86_64/index.ts';
import { compareUnits, parseUnit, type UnitDifference } from '../../src/asm/index.ts';
import { correctLines } from '../../src/build/line-correction.ts';
import { debugSectionsOf } from '../../src/dwarf/debug-sections.ts';
import { compareTypes } from '../../src/dwarf/type-changes.ts';
import { readTypeInfo } from '../../src/dwarf/types.ts';
import { ElfImage } from '../../src/elf/image.ts';
import { amalgamation, changed, compiled } from './amalgamation.ts';

const CODE = ['-O2', '-fPIC', '-w', '-S'];
const folder = mkdtempSync(join(tmpdir(), 'suture-sqlite-'));
after(() => rmSync(folder, { recursive: true }));

const original = amalgamation();
const patched = {
  comment: `/* a comment on top\n * of two lines */\n${original}`,
  function: changed(original, 'return sqlite3_incomplete(zSql)==0;', 'return sqlite3_incomplete(zSql)<=0;'),
  string: changed(original, '"too many FROM clause terms, max: %d"', '"too many terms in FROM, at most %d"'),
};
type Version = keyof typeof patched;

/** Assembler text of all versions, at most two compilers at a time. */
const texts = new Map<Version | 'original', Buffer>();

async function compileAll(): Promise<void> {
  const versions: [Version | 'original', string][] = [
    ['original', original],
    ...Object.entries(patched).map(([name, text]): [Version, string] => [
      name as Version,
      correctLines(original, text).text,
    ]),
  ];
  const compileNext = async (): Promise<void> => {
    for (let next = versions.shift(); next !== undefined; next = versions.shift()) {
      const [name, text] = next;
      texts.set(name, await compiled(text, join(folder, name), CODE));
    }
  };
  await Promise.all([compileNext(), compileNext()]);
}

const unitOf = (name: Version | 'original') => parseUnit(texts.get(name)!, x86_64.assembly, 'sqlite3.c');

function differenceFrom(name: Version | 'original'): UnitDifference {
  return compareUnits(unitOf('original'), unitOf(name));
}

const functionsOf = ({ functions }: UnitDifference): string[] =>
  functions.map(({ kind, name }) => `${kind} ${name}`).sort();

test('both versions compile', () => compileAll());

test('identical input gives nothing', () => {
  const { functions, variables, other } = differenceFrom('original');
  assert.deepEqual([functions, variables, other], [[], [], []]);
});

test('a comment added at the top gives nothing, although lines are in the code', () => {
  const { functions, variables, other } = differenceFrom('comment');
  assert.deepEqual([functions, variables, other], [[], [], []]);
});

test('a change in one function gives that function and nothing else', () => {
  const difference = differenceFrom('function');
  assert.deepEqual(functionsOf(difference), ['changed sqlite3_complete']);
  assert.deepEqual([difference.variables, difference.other], [[], []]);
});

test('a changed string gives exactly its users', () => {
  const difference = differenceFrom('string');
  assert.deepEqual(functionsOf(difference), ['changed sqlite3SrcListEnlarge']);
  assert.deepEqual([difference.variables, difference.other], [[], []]);
});

test('a changed struct is reported as such', async () => {
  const text = changed(
    original,
    '  i64 nDeferredImmCons;               /* Number of deferred imm fk. */',
    '  int nDeferredImmCons;',
  );
  const flags = ['-O0', '-g', '-w', '-c'];
  const [before, after] = await Promise.all([
    compiled(original, join(folder, 'types-before'), flags),
    compiled(text, join(folder, 'types-after'), flags),
  ]);
  const types = (object: Buffer) => readTypeInfo(debugSectionsOf(ElfImage.parse(object), inflateSync)!);
  const changes = compareTypes(types(before), types(after)).filter(({ kind }) => kind === 'layout');
  assert.deepEqual(changes, [
    {
      kind: 'layout',
      type: 'struct Savepoint',
      sizes: [32, 32],
      fields: ['nDeferredImmCons was long long int and is int'],
    },
  ]);
});
