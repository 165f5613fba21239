import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { assembly } from '../arch/x86_64/assembly.ts';
import { type AsmUnit, type ComposedUnit, compareUnits, composeUnit, parseUnit } from './index.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'asm-compare-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const EVERY = [
  '-O0',
  '-O1 -g',
  '-O2 -fPIC',
  '-O3 -ffunction-sections -fdata-sections',
  '-Os -fcf-protection=full',
  '-O2 -masm=intel',
  '-O2 -fno-pie -g3 -fno-asynchronous-unwind-tables -fverbose-asm',
];
const OPTIMIZED = EVERY.filter((flags) => !flags.startsWith('-O0'));

async function compile(source: string, flags: string): Promise<Buffer> {
  const base = join(folder, `unit${files++}`);
  writeFileSync(`${base}.c`, `#line 1 "unit.c"\n${source}`);
  await run('gcc', ['-w', '-S', ...flags.split(' '), '-o', `${base}.s`, `${base}.c`]);
  return readFile(`${base}.s`);
}

const parse = (text: Uint8Array | string): AsmUnit => parseUnit(text, assembly, 'unit.c');

/** Assembles and returns the symbols left undefined. */
async function assemble(text: string): Promise<{ undefined: string[]; defined: string[] }> {
  const base = join(folder, `composed${files++}`);
  writeFileSync(`${base}.s`, text, 'latin1');
  await run('as', ['--fatal-warnings', '-o', `${base}.o`, `${base}.s`]);
  const { stdout } = await run('nm', ['-f', 'posix', `${base}.o`]);
  const symbols = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const made = (name: string): boolean => name === '_GLOBAL_OFFSET_TABLE_';
  const wanted = symbols.filter(([name, type]) => /[Uwv]/.test(type!) && !made(name!));
  return {
    undefined: wanted.map(([name]) => name!).sort(),
    defined: symbols.filter(([, type]) => !/[Uwv]/.test(type!)).map(([name]) => name!),
  };
}

interface Case {
  readonly original: string;
  readonly patched: string;
  readonly flags?: readonly string[];
  readonly changed?: readonly string[];
  readonly new?: readonly string[];
  readonly removed?: readonly string[];
  /** `kind name`, those of kind removed left out. */
  readonly variables?: readonly string[];
  readonly other?: readonly string[];
  readonly references?: readonly string[];
  readonly check?: (composed: ComposedUnit, patched: AsmUnit, flags: string) => void;
}

const COMMON = `
int puts(const char *); int printf(const char *, ...); void abort(void); void *malloc(unsigned long);
#define NOINLINE __attribute__((noinline, noclone))
`;

/** A function of several others around the place that changes, so that every number moves. */
const AROUND = `
NOINLINE int first(int x) { static int count; count += x; puts("first"); return count; }
NOINLINE int last(int x) { static int count = 4; count *= x; puts("last"); return count; }
NOINLINE int table(int x) { static const int values[] = {3, 1, 4, 1, 5, 9, 2, 6}; return values[x & 7]; }
`;

const cases: Record<string, Case> = {
  'one condition changes': {
    original: `${AROUND} int f(int x) { if (x > 10) puts("big"); return first(x) + last(x); }`,
    patched: `${AROUND} int f(int x) { if (x > 11) puts("big"); return first(x) + last(x); }`,
    changed: ['f'],
    references: ['first', 'last', 'puts'],
  },
  'a static variable before the others renumbers them': {
    original: `${AROUND} int f(int x) { return first(x) + x; }`,
    patched: `NOINLINE int fresh(int x) { static int count = 9; puts("new"); return count += x; }
      ${AROUND} int f(int x) { return first(x) + fresh(x); }`,
    changed: ['f'],
    new: ['fresh'],
    variables: ['new count'],
    references: ['first', 'puts'],
  },
  'an existing static variable keeps its storage in a changed function': {
    original: `${AROUND} NOINLINE int f(int x) { static int count; count += x; return count; }`,
    patched: `${AROUND} NOINLINE int f(int x) { static int fresh; static int count; count += x; return count + ++fresh; }`,
    changed: ['f'],
    variables: ['new fresh'],
    check: (composed) => {
      assert.equal(composed.references.length, 1);
      assert.match(composed.references[0]!.name, /^count\.\d+$/);
      assert.equal(composed.references[0]!.scope, 'unit');
    },
  },
  'a string changes': {
    original: `${AROUND} int f(int x) { puts("one"); return x; } int g(int x) { puts("two"); return x; }`,
    patched: `${AROUND} int f(int x) { puts("won"); return x; } int g(int x) { puts("two"); return x; }`,
    changed: ['f'],
    references: ['puts'],
    check: (composed) => assert.match(composed.text, /\.kpatch\.rodata[\s\S]*"won"/),
  },
  'a string shared by two functions changes in one': {
    original: `int f(int x) { puts("one"); return x; } int g(int x) { puts("one"); return x; }`,
    patched: `int f(int x) { puts("ONE"); return x; } int g(int x) { puts("one"); return x; }`,
    changed: ['f'],
  },
  'a constant table private to functions changes': {
    original: `static const int primes[] = {2, 3, 5, 7, 11}; NOINLINE int f(int x) { return primes[x]; }
      NOINLINE int g(int x) { return primes[x + 1]; } int h(int x) { return f(x) + g(x); }`,
    patched: `static const int primes[] = {2, 3, 5, 7, 13}; NOINLINE int f(int x) { return primes[x]; }
      NOINLINE int g(int x) { return primes[x + 1]; } int h(int x) { return f(x) + g(x); }`,
    changed: ['f', 'g'],
    variables: ['changed-value primes'],
    references: [],
    check: (composed) => assert.deepEqual(composed.newVariables, ['primes.kpatch']),
  },
  'an unchanged constant table is referred to in place': {
    original: `static const int primes[] = {2, 3, 5, 7, 11}; NOINLINE int f(int x) { return primes[x]; }`,
    patched: `static const int primes[] = {2, 3, 5, 7, 11}; NOINLINE int f(int x) { return primes[x + 1]; }`,
    changed: ['f'],
    references: ['primes'],
  },
  'a table of strings changes': {
    original: `static const char *const names[] = {"zero", "one", "two"}; const char *f(int x) { return names[x]; }`,
    patched: `static const char *const names[] = {"zero", "uno", "two"}; const char *f(int x) { return names[x]; }`,
    changed: ['f'],
    variables: ['changed-value names'],
    references: [],
  },
  'live data that points to a changed constant': {
    original: `static const int t[] = {1, 2, 3}; const int *live = t; int f(int x) { return t[x]; }`,
    patched: `static const int t[] = {1, 2, 4}; const int *live = t; int f(int x) { return t[x]; }`,
    changed: ['f'],
    variables: ['changed-value t'],
  },
  'an initial value changes': {
    original: `int limit = 10; int f(int x) { return x > limit; }`,
    patched: `int limit = 20; int f(int x) { return x > limit; }`,
    variables: ['changed-value limit'],
  },
  'a variable grows': {
    original: `static char buffer[64]; char *f(int x) { return buffer + x; }`,
    patched: `static char buffer[128]; char *f(int x) { return buffer + x; }`,
    variables: ['changed-size buffer'],
  },
  'a variable gets an initial value': {
    original: `int limit; int f(int x) { return x > limit; }`,
    patched: `int limit = 20; int f(int x) { return x > limit; }`,
    variables: ['changed-value limit'],
  },
  'a new global function and variable': {
    original: `int f(int x) { return x; }`,
    patched: `int fresh = 3; int zeroed[100]; int g(int x) { return x + fresh++; } int f(int x) { return g(x) + zeroed[x]; }`,
    changed: ['f'],
    new: ['g'],
    variables: ['new fresh', 'new zeroed'],
    references: [],
  },
  'a jump table': {
    original: `${AROUND} int f(int x) { switch (x) { case 0: puts("a"); break; case 1: first(3); break; case 2: return 9;
      case 3: last(4); break; case 4: puts("e"); break; case 5: abort(); case 6: return first(x) * 2; } return x; }`,
    patched: `${AROUND} int f(int x) { switch (x) { case 0: puts("a"); break; case 1: first(3); break; case 2: return 9;
      case 3: last(4); break; case 4: puts("E"); break; case 5: abort(); case 6: return first(x) * 2; } return x; }`,
    changed: ['f'],
    references: ['abort', 'first', 'last', 'puts'],
  },
  'two cases of a jump table change places': {
    original: `int f(int x) { switch (x) { case 0: puts("a"); break; case 1: puts("b"); break; case 2: return 9;
      case 3: puts("d"); break; case 4: puts("e"); break; case 5: abort(); case 6: puts("g"); } return x; }`,
    patched: `int f(int x) { switch (x) { case 1: puts("a"); break; case 0: puts("b"); break; case 2: return 9;
      case 3: puts("d"); break; case 4: puts("e"); break; case 5: abort(); case 6: puts("g"); } return x; }`,
    changed: ['f'],
  },
  'a switch that becomes a lookup table': {
    original: `int f(int x) { switch (x) { case 0: return 7; case 1: return 9; case 2: return 22; case 3: return 17; case 4: return 4; default: return -1; } }
      int g(int x) { switch (x) { case 0: return 5; case 1: return 6; case 2: return 1; case 3: return 17; case 4: return 8; default: return -1; } }`,
    patched: `int f(int x) { switch (x) { case 0: return 7; case 1: return 9; case 2: return 23; case 3: return 17; case 4: return 4; default: return -1; } }
      int g(int x) { switch (x) { case 0: return 5; case 1: return 6; case 2: return 1; case 3: return 17; case 4: return 8; default: return -1; } }`,
    changed: ['f'],
    flags: OPTIMIZED,
  },
  'computed goto with a writable table': {
    original: `int f(int *p) { static void *labels[] = {&&a, &&b, &&c}; goto *labels[*p]; a: p++; puts("a"); goto *labels[*p];
      b: p += 2; puts("b"); goto *labels[*p]; c: return *p; }`,
    patched: `int f(int *p) { static void *labels[] = {&&a, &&b, &&c}; goto *labels[*p]; a: p++; puts("A"); goto *labels[*p];
      b: p += 2; puts("b"); goto *labels[*p]; c: return *p; }`,
    changed: ['f'],
    references: ['puts'],
  },
  'a cold part': {
    original: `void fail(const char *) __attribute__((cold)); ${AROUND}
      int f(int x) { if (x > 4) { fail("x"); last(x); } return first(x); }`,
    patched: `void fail(const char *) __attribute__((cold)); ${AROUND}
      int f(int x) { if (x > 5) { fail("x"); last(x); } return first(x); }`,
    flags: OPTIMIZED,
    changed: ['f'],
    references: ['fail', 'first', 'last'],
    check: (composed, _patched, flags) => {
      if (/-O2/.test(flags)) assert.deepEqual(composed.functions[0]!.parts, ['f.cold.kpatch']);
      if (/-O2/.test(flags)) assert.deepEqual(composed.functions[0]!.originalParts, ['f.cold']);
    },
  },
  'only the cold part changes': {
    original: `void fail(const char *) __attribute__((cold)); ${AROUND}
      int f(int x) { if (x > 4) { fail("x"); last(x); } return first(x); }`,
    patched: `void fail(const char *) __attribute__((cold)); ${AROUND}
      int f(int x) { if (x > 4) { fail("y"); last(x); } return first(x); }`,
    changed: ['f'],
  },
  'clones keep their callers': {
    original: `${AROUND} static __attribute__((noinline)) int helper(int a, int b) { static int n; n += a; puts("h"); return n * b; }
      NOINLINE int f(int x) { return helper(x, 3); } NOINLINE int g(int x) { return helper(x + 1, 3) * 2; }`,
    patched: `${AROUND} static __attribute__((noinline)) int helper(int a, int b) { static int n; n -= a; puts("h"); return n * b; }
      NOINLINE int f(int x) { return helper(x, 3); } NOINLINE int g(int x) { return helper(x + 1, 3) * 2; }`,
    check: (composed) => {
      assert.equal(composed.functions.length, 1);
      assert.match(composed.functions[0]!.name, /^helper(\.constprop\.0|\.isra\.0)?$/);
      assert.match(composed.references.map(({ name }) => name).join(), /^n\.\d+,puts$/);
    },
  },
  'another clone comes first': {
    original: `static __attribute__((noinline)) int a(int x, int y) { puts("a"); return x * y; } ${AROUND}
      static __attribute__((noinline)) int b(int x, int y) { puts("b"); return x + y; }
      NOINLINE int f(int x) { return b(x, 7) + b(x + 1, 7); }`,
    patched: `static __attribute__((noinline)) int a(int x, int y) { puts("a"); return x * y; } ${AROUND}
      static __attribute__((noinline)) int b(int x, int y) { puts("b"); return x + y; }
      NOINLINE int f(int x) { return b(x, 7) + b(x + 1, 7); } NOINLINE int g(int x) { return a(x, 6) + a(x + 2, 6); }`,
    flags: ['-O2', '-O2 -fPIC', '-O3'],
    new: ['a', 'g'],
  },
  'an inlined function brings its callers': {
    original: `static inline __attribute__((always_inline)) int limit(int x) { return x > 9 ? 9 : x; }
      NOINLINE int f(int x) { return limit(x); } NOINLINE int g(int x) { return limit(x) + 1; } NOINLINE int h(int x) { return x; }`,
    patched: `static inline __attribute__((always_inline)) int limit(int x) { return x > 8 ? 8 : x; }
      NOINLINE int f(int x) { return limit(x); } NOINLINE int g(int x) { return limit(x) + 1; } NOINLINE int h(int x) { return x; }`,
    changed: ['f', 'g'],
    references: [],
  },
  'a changed function whose address is taken keeps its name': {
    original: `NOINLINE int f(int x) { return x; } int (*pointer)(int) = f; int (*get(void))(int) { return f; }`,
    patched: `int (*pointer)(int); NOINLINE int f(int x) { if (pointer == f) return x + 1; return x ? f(x - 1) : x; }
      int (*pointer)(int) = f; int (*get(void))(int) { return f; }`,
    changed: ['f'],
    flags: EVERY.filter((flags) => !/-O3/.test(flags)),
    references: ['f', 'pointer'],
  },
  'thread-local variables': {
    original: `static __thread int mine; __thread int ours; extern __thread int theirs;
      int f(void) { return mine++ + ours + theirs; }`,
    patched: `static __thread int mine; __thread int ours; extern __thread int theirs;
      int f(void) { return mine++ - ours + theirs; }`,
    changed: ['f'],
    check: (composed) => {
      const threads = composed.references.filter(({ thread }) => thread).map(({ name }) => name);
      assert.deepEqual(threads, ['mine', 'ours', 'theirs']);
    },
  },
  'inline asm with labels and another section': {
    original: `int f(int x) { __asm__ volatile("cmp $4, %0\\n1:\\n\\tjmp 2f\\n.Lmine%=:\\tnop\\n2:\\tjmp .Lmore%=\\n"
      "\\t.pushsection .rodata.str; 3: .string \\"inside; # quoted\\"; .popsection\\n.Lmore%=:" : "+r"(x) : : "cc"); return x; }
      int g(int x) { return x; }`,
    patched: `int f(int x) { __asm__ volatile("cmp $5, %0\\n1:\\n\\tjmp 2f\\n.Lmine%=:\\tnop\\n2:\\tjmp .Lmore%=\\n"
      "\\t.pushsection .rodata.str; 3: .string \\"inside; # quoted\\"; .popsection\\n.Lmore%=:" : "+r"(x) : : "cc"); return x; }
      int g(int x) { return x; }`,
    flags: EVERY.filter((flags) => !flags.includes('intel')),
    changed: ['f'],
    references: [],
  },
  'inline asm that writes to a section somebody collects': {
    original: `int f(int x) { __asm__ volatile("1: nop; .pushsection my_table,\\"a\\"; .quad 1b; .popsection"); return x; }`,
    patched: `int f(int x) { __asm__ volatile("1: nop; .pushsection my_table,\\"a\\"; .quad 1b; .popsection"); return x + 1; }`,
    changed: ['f'],
    other: ['asm-section'],
    references: [],
  },
  'asm at file scope changes': {
    original: `__asm__(".globl made; .type made,@function; made: mov $1,%eax; ret; .size made, .-made"); int made(void); int f(void) { return made(); }`,
    patched: `__asm__(".globl made; .type made,@function; made: mov $2,%eax; ret; .size made, .-made"); int made(void); int f(void) { return made(); }`,
    flags: EVERY.filter((flags) => !flags.includes('intel')),
    other: ['toplevel-asm'],
  },
  'aliases and weak definitions': {
    original: `int f(int x) { return x; } int other(int) __attribute__((alias("f"))); __attribute__((weak)) int w(int x) { return x; }
      extern int maybe(int) __attribute__((weak)); int g(int x) { return other(x) + w(x); }`,
    patched: `int f(int x) { return x + 1; } int other(int) __attribute__((alias("f"))); __attribute__((weak)) int w(int x) { return x + 2; }
      extern int maybe(int) __attribute__((weak)); int g(int x) { return maybe ? maybe(x) : other(x) + w(x); }`,
    flags: ['-O0', '-O2 -fPIC'],
    changed: ['f', 'w', 'g'],
    check: (composed) => {
      assert.deepEqual(
        composed.references.map(({ name, weak }) => `${name} ${weak}`),
        ['maybe true', 'other false', 'w false'],
      );
    },
  },
  'an alias gets another target': {
    original: `int a(int x) { return x; } int b(int x) { return x * 3; } int both(int) __attribute__((alias("a")));`,
    patched: `int a(int x) { return x; } int b(int x) { return x * 3; } int both(int) __attribute__((alias("b")));`,
    other: ['alias'],
  },
  'a constructor is added, another one changed': {
    original: `int v; __attribute__((constructor)) static void begin(void) { v = 1; } int f(void) { return v; }`,
    patched: `int v; __attribute__((constructor)) static void begin(void) { v = 2; } __attribute__((constructor)) void more(void) { v++; } int f(void) { return v; }`,
    changed: ['begin'],
    new: ['more'],
    other: ['constructor', 'constructor'],
  },
  'a function is changed that only a constructor calls': {
    original: `int v; NOINLINE static void deep(void) { v = 1; } NOINLINE static void step(void) { deep(); deep(); }
      __attribute__((constructor)) static void begin(void) { step(); v++; } int f(void) { return v; }`,
    patched: `int v; NOINLINE static void deep(void) { v = 2; } NOINLINE static void step(void) { deep(); deep(); }
      __attribute__((constructor)) static void begin(void) { step(); v++; } int f(void) { return v; }`,
    flags: ['-O0'],
    changed: ['deep'],
    other: ['constructor'],
  },
  'a function is changed that a constructor calls, and others': {
    original: `int v; NOINLINE static void step(int n) { v = n; }
      __attribute__((constructor)) static void begin(void) { step(1); } int f(void) { step(2); return v; }`,
    patched: `int v; NOINLINE static void step(int n) { v = n + 1; }
      __attribute__((constructor)) static void begin(void) { step(1); } int f(void) { step(2); return v; }`,
    flags: ['-O0'],
    changed: ['step'],
  },
  'an indirect function resolves otherwise': {
    original: `static int one(void) { return 1; } static int two(void) { return 2; } int v;
      static void *choose(void) { return v ? one : two; } int f(void) __attribute__((ifunc("choose")));`,
    patched: `static int one(void) { return 1; } static int two(void) { return 2; } int v;
      static void *choose(void) { return v > 1 ? one : two; } int f(void) __attribute__((ifunc("choose")));`,
    changed: ['choose'],
    other: ['ifunc'],
  },
  'a function is removed': {
    original: `NOINLINE int f(int x) { puts("f"); return x; } int g(int x) { return f(x); }`,
    patched: `int g(int x) { return x; }`,
    changed: ['g'],
    removed: ['f'],
  },
  'vectors and floating point constants': {
    original: `double f(double x) { return x * 3.25; } void g(float *a, int n) { for (int i = 0; i < n; i++) a[i] = a[i] * 1.5f + 2.25f; }`,
    patched: `double f(double x) { return x * 3.5; } void g(float *a, int n) { for (int i = 0; i < n; i++) a[i] = a[i] * 1.5f + 2.25f; }`,
    changed: ['f'],
    references: [],
  },
  'assert and __func__': {
    original:
      `void __assert_fail(const char *, const char *, unsigned, const char *) __attribute__((noreturn));
      #define CHECK(e) ((e) ? (void)0 : __assert_fail(#e, "unit.c", __LINE__, __func__))
      int f(int x) { CHECK(x > 3); return x; }
      int g(int x) { CHECK(x > 4); return x; }`.replace(/\n +#/, '\n#'),
    patched:
      `void __assert_fail(const char *, const char *, unsigned, const char *) __attribute__((noreturn));
      #define CHECK(e) ((e) ? (void)0 : __assert_fail(#e, "unit.c", __LINE__, __func__))
      int f(int x) { CHECK(x > 3); return x; }
      int g(int x) { CHECK(x > 5); return x; }`.replace(/\n +#/, '\n#'),
    changed: ['g'],
  },
};

const stem = (name: string): string => name.replace(/(\.constprop)?\.\d+$/, '');

for (const [name, c] of Object.entries(cases)) {
  test(name, async () => {
    for (const flags of c.flags ?? EVERY) {
      const [before, after] = await Promise.all([
        compile(COMMON + c.original, flags),
        compile(COMMON + c.patched, flags),
      ]);
      const original = parse(before);
      const patched = parse(after);
      const none = compareUnits(original, parse(before));
      assert.deepEqual(
        [...none.functions, ...none.variables, ...none.other],
        [],
        `${flags}: identical input`,
      );
      const difference = compareUnits(original, patched);
      const named = (kind: string): string[] =>
        difference.functions.filter((f) => f.kind === kind).map((f) => f.name);
      if (c.check === undefined || c.changed !== undefined) {
        assert.deepEqual(named('changed').sort(), [...(c.changed ?? [])].sort(), `${flags}: changed`);
      }
      assert.deepEqual(named('new').map(stem).sort(), [...(c.new ?? [])].sort(), `${flags}: new`);
      if (c.removed !== undefined) assert.deepEqual(named('removed'), c.removed, `${flags}: removed`);
      const variables = difference.variables.filter(({ kind }) => kind !== 'removed');
      if (c.variables !== undefined) {
        const seen = variables.map((v) => `${v.kind} ${stem(v.name)}`).sort();
        assert.deepEqual(seen, [...c.variables].sort(), `${flags}: variables`);
      }
      assert.deepEqual(
        difference.other.map(({ kind }) => kind),
        c.other ?? [],
        `${flags}: ${JSON.stringify(difference.other)}`,
      );
      const composed = composeUnit(original, patched, difference);
      const symbols = await assemble(composed.text);
      const references = composed.references.map((reference) => reference.name).sort();
      assert.deepEqual(symbols.undefined, references, `${flags}: undefined symbols`);
      if (c.references !== undefined) assert.deepEqual(references, c.references, `${flags}: references`);
      for (const composedFunction of composed.functions) {
        assert.ok(symbols.defined.includes(composedFunction.label), `${flags}: ${composedFunction.label}`);
      }
      assert.equal(composeUnit(parse(before), parse(after), difference).text, composed.text);
      c.check?.(composed, patched, flags);
    }
  });
}
