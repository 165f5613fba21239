import assert from 'node:assert/strict';
import { test } from 'node:test';
import { directivePlaces } from './directive-places.ts';

/** Lines marked with a leading `>` must be free, the others not. */
function check(marked: string): void {
  const lines = marked.split('\n').filter((line) => line !== '');
  const places = directivePlaces(lines.map((line) => line.slice(1)));
  for (const [i, line] of lines.entries()) {
    assert.equal(places[i], line.startsWith('>'), `line ${i + 1}: ${line}`);
  }
}

test('a directive may stand before ordinary lines, also inside a block or an initializer', () => {
  check(`
>int f(int a)
>{
>  int t[] = {
>    1, 2 };
>  return a +
>    t[0];
>}`);
});

test('not between parentheses, which may be a macro call', () => {
  check(`
>  call(a,
     b,
     c);
>  next();`);
});

test('not inside comments, literals that go on, and continued lines', () => {
  check(`
>/* one (
 two */ int a;
>// three \\
 still three (
>char *s = "x \\
 y";
>#define M(x) \\
   f(x \\
   )
>int b;`);
});

test('quotes inside comments, directives and skipped text open nothing', () => {
  check(`
>#error don't
>/* it's */ int a;
>#if 0
 that's (text
 /* #endif
 */
 #else
>int b = '"';
>#endif
>int c;`);
});

test('raw strings go over lines, whatever they hold', () => {
  check(`
>auto s = R"x(one "
 two )" \\
 three)x"; int k;
>int n = 1'000'000;
>int m;`);
});

test('branches of a conditional start from the same depth', () => {
  check(`
>#ifdef A
>  foo(x,
 #else
>  bar(y,
 #endif
   z);
>next();`);
});

test('a name and its arguments on lines of their own belong together', () => {
  check(`
>int x = MACRO
 
 (1, 2);
>int y;`);
});
