import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { assembly } from '../arch/x86_64/assembly.ts';
import { SutureError } from '../base/errors.ts';
import { compareUnits, parseUnit } from './index.ts';

const SOURCE = `
int puts(const char *); void abort(void);
static __attribute__((noinline)) int scale(int x, int y) { static int calls; calls++; puts("scale"); return x * y + calls; }
int one(int x) { static int calls; static const int t[] = {5, 6, 7}; calls += x; return scale(x, 3) + t[calls % 3]; }
int two(int x) { static int calls = 4; switch (x) { case 0: return 11; case 1: return 17; case 2: return 13; case 3: return 2; case 4: return 99; } calls -= x; return scale(calls, 3); }
int three(int x) { switch (x) { case 0: puts("a"); break; case 1: puts("b"); case 2: one(x); break; case 3: abort(); case 4: two(x); break; case 5: puts("f"); } return x; }
double four(double x) { return x * 2.5 + 1.25; }
`;
const text = execFileSync('gcc', ['-O2', '-fPIC', '-w', '-S', '-xc', '-', '-o', '-'], {
  input: SOURCE,
}).toString('latin1');
const parse = (assembler: string) => parseUnit(assembler, assembly, 'unit.c');

/** Numbers by which private labels and static names are told apart. */
const NUMBERED = /(\.L[A-Z]*|(?<=\b[A-Za-z_]\w*)(?:\.(?:constprop|isra|part))?\.)(\d+)\b(?!\.\d)/g;

function renumber(assembler: string, shift: (group: string, number: number) => number): string {
  return assembler
    .split('\n')
    .map((line) =>
      /^\s*\.(string|p2align|align|section|ident|file)/.test(line)
        ? line
        : line.replace(
            NUMBERED,
            (_, group: string, number: string) => `${group}${shift(group, Number(number))}`,
          ),
    )
    .join('\n');
}

test('numbers mean nothing', () => {
  const original = parse(text);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.boolean(), (step, reverse) => {
      const other = renumber(text, (_, number) => (reverse ? 1_000_000 - number * step : number * step + 7));
      assert.notEqual(other, text);
      const { functions, variables, other: rest } = compareUnits(original, parse(other));
      assert.deepEqual([...functions, ...variables, ...rest], []);
    }),
    { numRuns: 50 },
  );
});

test('one changed immediate changes one function, whatever the numbers', () => {
  const original = parse(text);
  const lines = text.split('\n');
  const owner: string[] = [];
  let current = '';
  for (const line of lines) {
    const label = /^([a-z][\w.]*):$/.exec(line);
    if (label !== null) current = label[1]!;
    owner.push(current);
  }
  const candidates = lines.flatMap((line, i) => (/^\t[a-z]+\t\$\d+, /.test(line) ? [i] : []));
  assert.ok(candidates.length > 4);
  fc.assert(
    fc.property(fc.constantFrom(...candidates), fc.integer({ min: 2, max: 9 }), (at, step) => {
      const mutated = lines.with(
        at,
        lines[at]!.replace(/\$(\d+)/, (_, n: string) => `$${Number(n) + 1}`),
      );
      const difference = compareUnits(original, parse(renumber(mutated.join('\n'), (_, n) => n * step)));
      assert.deepEqual(
        difference.functions.map(({ kind, name }) => [kind, name]),
        [['changed', owner[at]]],
      );
      assert.deepEqual([...difference.variables, ...difference.other], []);
    }),
    { numRuns: 60 },
  );
});

test('text that is no assembler does not hang or crash the reader', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.nat(text.length), (noise, at) => {
      const mixed = text.slice(0, at) + noise + text.slice(at);
      try {
        compareUnits(parse(mixed), parse(mixed));
      } catch (error) {
        assert.ok(error instanceof SutureError && error.code === 'BAD_FORMAT');
      }
    }),
    { numRuns: 200 },
  );
});
