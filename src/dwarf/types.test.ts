import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inflateSync } from 'node:zlib';
import { ElfImage } from '../elf/image.ts';
import { debugSectionsOf } from './debug-sections.ts';
import { compareTypes, type TypeChange } from './type-changes.ts';
import { readTypeInfo, type TypeInfo } from './types.ts';

function typesOf(source: string, flags: readonly string[], language = 'c'): TypeInfo {
  const folder = mkdtempSync(join(tmpdir(), 'suture-types-'));
  try {
    const file = join(folder, `unit.${language}`);
    writeFileSync(file, source);
    execFileSync(language === 'c' ? 'gcc' : 'g++', [...flags, '-c', file, '-o', join(folder, 'unit.o')]);
    const sections = debugSectionsOf(ElfImage.parse(readFileSync(join(folder, 'unit.o'))), inflateSync);
    assert.ok(sections);
    return readTypeInfo(sections);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const changes = (
  before: string,
  after: string,
  flags: readonly string[] = ['-g'],
  language = 'c',
): TypeChange[] => compareTypes(typesOf(before, flags, language), typesOf(after, flags, language));

const original = `
  struct inner { int a; unsigned flag : 3; unsigned rest : 5; };
  typedef struct { char name[16]; struct inner in; union { long n; void *p; }; } session;
  enum color { RED, GREEN = 5 };
  int use(session *s, enum color c, int (*call)(int, ...)) { return s->in.flag + c + call(s->name[0]) + (int)s->n; }
  static long counter[4];
  long *counted(void) { return counter; }`;

describe('type information', () => {
  for (const flags of [
    ['-g'],
    ['-gdwarf-4'],
    ['-gdwarf-3'],
    ['-g', '-gz'],
    ['-g3', '-O2'],
    ['-gdwarf-5', '-gdwarf64'],
  ]) {
    it(`reads layouts with ${flags.join(' ')}`, () => {
      const { types, functions, variables } = typesOf(original, flags);
      const session = types.get('struct session');
      assert.equal(session?.size, 32);
      assert.deepEqual(
        session?.fields.map(({ name, bitOffset, type }) => [name, bitOffset, type]),
        [
          ['name', 0, 'char[16]'],
          ['in', 128, 'struct inner'],
          ['', 192, 'union { long int n @0; void * p @0 } of 8'],
        ],
      );
      assert.deepEqual(
        types.get('struct inner')?.fields.map(({ name, bitOffset, bitSize }) => [name, bitOffset, bitSize]),
        [
          ['a', 0, undefined],
          ['flag', 32, 3],
          ['rest', 35, 5],
        ],
      );
      assert.deepEqual(functions.get('use')?.parameters, ['session *', 'enum color', 'int (int, ...) *']);
      assert.equal(variables.get('counter'), 'long int[4]');
      assert.deepEqual(changes(original, original, flags), []);
    });
  }

  it('names the fields that moved', () => {
    const patched = original.replace('int a;', 'int a; int b;').replace('GREEN = 5', 'GREEN = 6, BLUE');
    assert.deepEqual(changes(original, patched), [
      {
        kind: 'layout',
        type: 'struct inner',
        sizes: [8, 12],
        fields: [
          'flag moved from byte 4 to byte 8',
          'rest moved from byte 4 bit 3 to byte 8 bit 3',
          'b is new (int at byte 4)',
        ],
      },
      {
        kind: 'layout',
        type: 'struct session',
        sizes: [32, 40],
        fields: ['nameless member 1 moved from byte 24 to byte 32'],
      },
      { kind: 'layout', type: 'enum color', sizes: [4, 4], fields: ['GREEN was 5 and is 6'] },
    ]);
  });

  it('names changed signatures and types of variables', () => {
    const patched = original
      .replace('enum color c,', 'enum color c, long extra,')
      .replace('static long counter[4]', 'static long counter[8]');
    assert.deepEqual(changes(original, patched), [
      {
        kind: 'signature',
        function: 'use',
        before: 'int use(session *, enum color, int (int, ...) *)',
        after: 'int use(session *, enum color, long int, int (int, ...) *)',
      },
      { kind: 'variable', variable: 'counter', before: 'long int[4]', after: 'long int[8]' },
    ]);
  });

  it('knows static locals from automatic ones', () => {
    const before = `
      int *use(int n) {
        static int count; static _Thread_local short each; int automatic = 3; static int other; int *at = &other;
        for (;;) { static char deep; if ((count += n) > automatic + deep++ + each++) return at; }
      }`;
    for (const flags of [['-g'], ['-g', '-O2'], ['-gdwarf-4', '-O2'], ['-gdwarf-4']]) {
      assert.deepEqual(
        [...typesOf(before, flags).variables].sort(),
        [
          ['count in use', 'int'],
          ['deep in use', 'char'],
          ['each in use', 'short int'],
          ['other in use', 'int'],
        ],
        flags.join(' '),
      );
    }
  });

  it('sees a changed type behind an unchanged typedef', () => {
    const before =
      'typedef int count; struct s { count n; }; struct s x; int f(struct s *p) { return p->n; }';
    assert.deepEqual(changes(before, before.replace('typedef int', 'typedef unsigned')), [
      { kind: 'layout', type: 'struct s', sizes: [4, 4], fields: ['n was int and is unsigned int'] },
    ]);
  });

  it('knows C++ bases, virtual methods and namespaces', () => {
    const before = `
      namespace net { struct Base { virtual int first(); virtual ~Base(); int x; };
      struct Derived : Base { int first() override; int y; }; int Derived::first() { return y; } }
      int net::Base::first() { return x; } net::Base::~Base() {} net::Derived d; int main() { return d.first(); }`;
    const after = before.replace('virtual int first();', 'virtual int first(); virtual int second();');
    const found = changes(before, after, ['-g'], 'cc');
    assert.deepEqual(
      found.map((change) => change.kind === 'layout' && change.type),
      ['struct net::Base'],
    );
    assert.match(JSON.stringify(found), /virtual methods were .*second/);
  });
});
