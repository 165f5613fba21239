import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { correctLines } from './line-correction.ts';

/** What the preprocessor makes of the text: line numbers by marker name. */
function numbersOf(text: string): Map<string, string> {
  const out = execFileSync('gcc', ['-E', '-P', '-x', 'c', '-'], { input: text, encoding: 'latin1' });
  return new Map([...out.matchAll(/\b(m\d+) = ("?[\w.]+"?)/g)].map((m) => [m[1]!, m[2]!]));
}

test('a line added above gets a directive below it, and the numbers stay', () => {
  const original = 'int a;\nint b;\nint m1 = __LINE__;\n';
  const corrected = correctLines(original, 'int a;\nint new;\nint b;\nint m1 = __LINE__;\n');
  assert.equal(corrected.text, 'int a;\nint new;\n#line 2\nint b;\nint m1 = __LINE__;\n');
  assert.deepEqual(
    { directives: corrected.directives, shifted: corrected.shifted },
    { directives: 1, shifted: 0 },
  );
});

test('a hunk that keeps the number of lines gets nothing', () => {
  const corrected = correctLines('a\nb\nc\n', 'a\nB\nc\n');
  assert.equal(corrected.text, 'a\nB\nc\n');
});

test('inside a call the directive waits for the end of it', () => {
  const corrected = correctLines('f(a,\n  b);\ng();\n', 'f(a,\n  new,\n  b);\ng();\n');
  assert.equal(corrected.text, 'f(a,\n  new,\n  b);\n#line 3\ng();\n');
  assert.equal(corrected.shifted, 1);
});

test('a change between equal lines is slid to where a directive may stand', () => {
  const one = '/*\n * one\n */\nint one;\n';
  const two = '/*\n * two\n */\nint two;\n';
  assert.equal(correctLines(two, one + two).text, `${one}#line 1\n${two}`);
  assert.equal(correctLines(one + two, two).text, `#line 5\n${two}`);
});

test('line directives that the file has are followed', () => {
  const original = '#line 100 "x.y"\nint a;\nint b;\n#line 7 "x.c"\nint m;\n';
  const corrected = correctLines(
    original,
    '#line 100 "x.y"\nint a;\nint n;\nint b;\n#line 7 "x.c"\nint m;\n',
  );
  assert.equal(corrected.text, '#line 100 "x.y"\nint a;\nint n;\n#line 101\nint b;\n#line 7 "x.c"\nint m;\n');
});

test('lines end as the file ends them', () => {
  assert.equal(correctLines('a\r\nb\r\n', 'n\r\na\r\nb\r\n').text, 'n\r\n#line 1\r\na\r\nb\r\n');
});

/**
 * Pieces of source, each a few lines; `@` is replaced by a number, so that of two pieces no two lines are the same:
 * which lines of two texts correspond would be a matter of taste otherwise.
 */
const PIECES = [
  'int m@ = __LINE__;',
  '/* comment @\n   @ over lines ( */ int m@ = __LINE__;',
  'int f@(int a@,\n       int b@)\n{ // @\n  int m@ = __LINE__;\n  return a@;\n} // @',
  '#define M@(x) \\\n  (x + @ \\\n  @)\nint m@ = __LINE__;',
  'char *s@ = "a \\\n  b@"; int m@ = __LINE__;',
  "#if 0 // @\n it's @ ( text\n#else // @\nint m@ = __LINE__;\n#endif // @",
  '#ifdef NOT@\nint q@(\n#else // @\nint r@(\n#endif // @\n  int a@);\nint m@ = __LINE__;',
  'int t@[] = {\n  @,\n  @ + 1\n}; // @\nint m@ = __LINE__;',
  "char c@ = '\\''; // it's @ \\\n on and on @\nint m@ = __LINE__;",
];
const piece = fc.nat(PIECES.length - 1);

test('unchanged lines keep their number, as the preprocessor sees it', () => {
  const edits = fc.array(fc.record({ kind: piece, edit: fc.constantFrom('keep', 'keep', 'drop', 'add') }), {
    minLength: 3,
    maxLength: 25,
  });
  fc.assert(
    fc.property(edits, (pieces) => {
      const render = (side: string): string =>
        pieces
          .map(({ kind, edit }, i) =>
            edit === 'keep' || edit === side ? `${PIECES[kind]!.replaceAll('@', String(i))}\n` : '',
          )
          .join('');
      const original = render('drop');
      const before = numbersOf(original);
      const after = numbersOf(correctLines(original, render('add')).text);
      for (const [i, { edit }] of pieces.entries())
        if (edit === 'keep') assert.equal(after.get(`m${i}`), before.get(`m${i}`), `m${i}`);
    }),
    { numRuns: 40 },
  );
});

test('no text makes it lose or change a line', () => {
  const line = fc.constantFrom(
    '(',
    ')',
    '"',
    "'",
    '/*',
    '*/',
    '//',
    '\\',
    '#if 0',
    '#endif',
    '#else',
    'R"(',
    ')"',
    'x',
    '',
    '#line 5',
    '\r',
  );
  const text = fc
    .array(
      fc.array(line, { maxLength: 3 }).map((parts) => parts.join(' ')),
      { maxLength: 12 },
    )
    .map((lines) => lines.join('\n'));
  fc.assert(
    fc.property(text, text, (original, patched) => {
      const corrected = correctLines(original, patched);
      const lines = corrected.text.split('\n');
      const own = patched.split('\n');
      let at = 0;
      for (const each of lines) if (at < own.length && each === own[at]) at++;
      assert.equal(at, own.length);
      assert.equal(lines.length, own.length + corrected.directives);
    }),
    { numRuns: 2000 },
  );
});
