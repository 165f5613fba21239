import assert from 'node:assert/strict';
import { test } from 'node:test';
import { touchedTypes } from './type-bodies.ts';

const touched = (original: string, patched: string): string[] =>
  touchedTypes([{ path: 'main.c', original, patched }]);

test('a field that comes, goes or moves touches its type', () => {
  assert.deepEqual(touched('struct s { int a; };', 'struct s { int a; int b; };'), ['struct s']);
  assert.deepEqual(touched('typedef enum { A } e;', 'typedef enum { B, A } e;'), ['enum without a name (1)']);
  assert.deepEqual(touched('class C final : public B { int a; };', 'class C final : public B { char a; };'), [
    'class C',
  ]);
  assert.deepEqual(touched('enum class E : char { A };', 'enum class E : char { B, A };'), ['enum E']);
  assert.deepEqual(
    touched(
      'struct __attribute__((packed)) s { union { int a; } u; };',
      'struct __attribute__((packed)) s { union { long a; } u; };',
    ),
    ['struct s', 'union without a name (1)'],
  );
});

test('comments, white space, uses and new types touch none', () => {
  assert.deepEqual(touched('struct s { int a; };', 'struct s { /* { */\n  int a; // one\n};'), []);
  assert.deepEqual(touched('struct s *f(void) { return 0; }', 'struct s *f(void) { return 1; }'), []);
  assert.deepEqual(touched('int x;', 'struct fresh { int a; }; int x;'), []);
  assert.deepEqual(touched('char *t = "struct s { a";', 'char *t = "struct s { b";'), []);
});
