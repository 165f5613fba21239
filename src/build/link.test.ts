import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { ComposedFunction, ComposedReference, ComposedUnit } from '../asm/difference.ts';
import type { Patch } from '../patch/patch.ts';
import { readPatch } from '../patch/reader.ts';
import { writePatch } from '../patch/writer.ts';
import { assembleUnit } from './assemble.ts';
import { Base } from './base.ts';
import { reachThroughGot } from './got-access.ts';
import { linkPatch } from './link.ts';
import type { LinkResult, LinkUnit } from './link-request.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** A folder with sources, removed after the test. */
class Workshop {
  readonly dir = mkdtempSync(join(tmpdir(), 'suture-link-'));
  constructor(
    sources: Record<string, string>,
    readonly flags: readonly string[],
  ) {
    for (const [name, text] of Object.entries(sources)) {
      mkdirSync(dirname(join(this.dir, name)), { recursive: true });
      writeFileSync(join(this.dir, name), text);
    }
  }
  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
  run(program: string, ...argv: string[]): string {
    return execFileSync(program, argv, { cwd: this.dir, encoding: 'utf8' });
  }
  base(output: string, ...argv: string[]): Base {
    this.run('gcc', ...this.flags, '-Wl,--build-id', '-o', output, ...argv);
    return Base.open(readFileSync(join(this.dir, output)), output);
  }
  async unit(
    name: string,
    fix: string,
    functions: readonly Partial<ComposedFunction>[],
    references: readonly Partial<ComposedReference>[] = [],
  ): Promise<LinkUnit> {
    const command = { driver: 'gcc', options: this.flags, directory: this.dir };
    this.run('gcc', ...this.flags, '-S', '-o', 'original.s', name);
    const text = this.composed(fix);
    const composed: ComposedUnit = {
      text,
      functions: functions.map(({ name: fn = '', ...rest }) => ({
        name: fn,
        label: rest.kind === 'new' ? fn : `${fn}.kpatch`,
        kind: 'changed',
        linkage: 'global',
        reasons: [{ kind: 'code' }],
        parts: [],
        originalParts: [],
        ...rest,
      })),
      newVariables: [],
      references: references.map(({ name: reference = '', ...rest }) => ({
        name: reference,
        scope: 'unit',
        weak: false,
        thread: false,
        ...rest,
      })),
    };
    return {
      name,
      composed,
      object: await assembleUnit(command, text, `the fix of ${name}`),
      originalObject: await assembleUnit(command, readFileSync(join(this.dir, 'original.s')), name),
    };
  }
  /** C in which every new body has its `.kpatch` name by an asm label, as composition would leave it. */
  composed(fix: string): string {
    writeFileSync(join(this.dir, 'fix.c'), fix);
    this.run('gcc', ...this.flags, '-fno-common', '-S', '-o', 'fix.s', 'fix.c');
    return readFileSync(join(this.dir, 'fix.s'), 'latin1')
      .replace(/^\s*\.(?:text|section\s+\.text\..*)$/gm, '\t.section .kpatch.text,"ax",@progbits')
      .replace(/^\s*\.globl\s+\S+\.kpatch$/gm, '')
      .replace(/^\s*\.section\s+\.rodata\S*.*$/gm, '\t.section .kpatch.rodata,"a",@progbits')
      .replace(/^\s*\.data$/gm, '\t.section .kpatch.data,"aw",@progbits')
      .replace(/^\s*\.bss$/gm, '\t.section .kpatch.bss,"aw",@nobits');
  }
  addressOf(file: string, symbol: string): bigint[] {
    return this.run('nm', file)
      .split('\n')
      .flatMap((line) => {
        const [address, , name] = line.split(' ');
        return name?.replace(/@.*/, '') === symbol && address ? [BigInt(`0x${address}`)] : [];
      });
  }
}

const request = { id: 'fix-1', description: '', file: 'program', compiler: 'gcc' };

function linked(result: LinkResult): Patch {
  if (result.kind === 'refused') assert.fail(JSON.stringify(result.refusals, null, 1));
  return readPatch(writePatch(result.contents, sha256), sha256, 'linked');
}

function refusal(result: LinkResult): string {
  assert.equal(result.kind, 'refused');
  return result.kind === 'refused' ? result.refusals.map(({ what }) => what).join('\n') : '';
}

const addressIn = (patch: Patch, name: string): bigint | undefined => {
  const symbol = patch.symbols.find((s) => s.kind === 'base' && s.name === name);
  return symbol?.kind === 'base' ? symbol.address : undefined;
};

const counter = (step: number): string => `
#include <stdio.h>
static int count;
static int bump(int by) { count += by; return count; }
int COUNTER(int by) { return bump(by) + ${step}; }
`;
const main = `
#include <stdio.h>
int first(int), second(int);
int main(void) { printf("%d\\n", first(1) + second(2)); return 0; }
`;
const namesakes = {
  'a/counter.c': counter(10).replace('COUNTER', 'first'),
  'b/counter.c': counter(20).replace('COUNTER', 'second'),
  'main.c': main,
};

for (const flags of [
  ['-O0'],
  ['-O2'],
  ['-O2', '-fno-pie', '-no-pie'],
  ['-O1', '-fPIC', '-ffunction-sections', '-fdata-sections'],
]) {
  test(`static names of two files with one name are told apart (${flags.join(' ')})`, async () => {
    using shop = new Workshop(namesakes, flags);
    const base = shop.base('program', 'a/counter.c', 'b/counter.c', 'main.c');
    const unit = await shop.unit(
      'b/counter.c',
      `extern int count __attribute__((visibility("hidden")));
       int fixed(int) __asm__("second.kpatch");
       int fixed(int by) { count += by; return count + 21; }`,
      [{ name: 'second' }],
      [{ name: 'count' }],
    );
    const patch = linked(linkPatch({ ...request, base, units: [unit] }));
    assert.equal(
      patch.manifest.functions[0]!.original!.address,
      `0x${shop.addressOf('program', 'second')[0]!.toString(16)}`,
    );
    // nm lists both; the file's own is the one that its `second` uses, which is linked after the other.
    const counts = shop.addressOf('program', 'count').sort((x, y) => Number(x - y));
    assert.equal(counts.length, 2);
    assert.equal(addressIn(patch, 'count'), counts[1]);
  });
}

test('calls and data of other objects become imports with the version and the slot that the base has', async () => {
  using shop = new Workshop(
    {
      'p.c': `#include <stdio.h>
#include <string.h>
__attribute__((noinline)) int report(const char *s) { fputs(s, stdout); return (int)strlen(s); }
int main(int c, char **v) { return report(v[0]) + c; }`,
    },
    ['-O1'],
  );
  const base = shop.base('program', 'p.c');
  const unit = await shop.unit(
    'p.c',
    `#include <stdio.h>
#include <string.h>
int fixed(const char *s) __asm__("report.kpatch");
int fixed(const char *s) { if (!s) return 0; fputs(s, stdout); perror(s); return (int)strlen(s); }`,
    [{ name: 'report' }],
  );
  const result = linkPatch({ ...request, base, units: [unit] });
  const patch = linked(result);
  const byName = new Map(patch.manifest.imports.map((wanted) => [wanted.name, wanted]));
  assert.equal(byName.get('fputs')?.version, 'GLIBC_2.2.5');
  assert.match(byName.get('fputs')?.slot?.kind ?? '', /jump-slot|glob-dat/);
  assert.equal(byName.get('perror')?.slot, undefined);
  assert.equal(byName.get('perror')?.type, 'function');
  assert.ok(result.kind === 'linked' && result.warnings.some((text) => text.includes('perror')));
  // stdout was copied into the executable.
  assert.equal(addressIn(patch, 'stdout'), shop.addressOf('program', 'stdout')[0]);
});

test('a variable that the base never used is reached through the GOT', async () => {
  using shop = new Workshop(
    {
      'p.c': 'int work(int x) { return x * 5 + 1; }\nint main(int c, char **v) { (void)v; return work(c); }',
    },
    ['-O2'],
  );
  const base = shop.base('program', 'p.c');
  const unit = await shop.unit(
    'p.c',
    `#include <stdio.h>
     int fixed(int) __asm__("work.kpatch");
     int fixed(int x) { return x ? putc(x, stderr) : 0; }`,
    [{ name: 'work' }],
    [
      { name: 'stderr', scope: 'global' },
      { name: 'putc', scope: 'global' },
    ],
  );
  const text = reachThroughGot(unit.composed, unit.originalObject, base.arch);
  const object = await assembleUnit({ driver: 'gcc', options: ['-O2'], directory: shop.dir }, text, 'p.c');
  const patch = linked(linkPatch({ ...request, base, units: [{ ...unit, object }] }));
  const code = patch.sections.find(({ name }) => name === '.kpatch.text')!;
  const uses = code.relocations.flatMap(({ type, symbol }) =>
    patch.symbols[symbol]!.name === 'stderr' ? [patch.arch.relocations.get(type)!.reference] : [],
  );
  assert.deepEqual(uses, ['got']);
});

test('a library calls what others may replace through the dynamic linker, and the rest directly', async () => {
  using shop = new Workshop(
    {
      'lib.c': `__attribute__((visibility("hidden"))) int inner(int x) { return x * 3; }
static int kept = 7;
__attribute__((noinline)) static int local(int x) { return x + kept++; }
int open_to_all(int x) { return x - 1; }
int serve(int x) { return inner(x) + local(x) + open_to_all(x); }`,
    },
    ['-O1', '-fPIC', '-shared', '-fno-inline'],
  );
  const base = shop.base('lib.so', 'lib.c');
  assert.equal(base.type, 'library');
  const unit = await shop.unit(
    'lib.c',
    `__attribute__((visibility("hidden"))) int inner(int);
__attribute__((visibility("hidden"))) int local(int);
__attribute__((visibility("hidden"))) extern int kept;
int open_to_all(int);
int fixed(int) __asm__("serve.kpatch");
int fixed(int x) { return inner(x) + local(x) + open_to_all(x) + kept; }`,
    [{ name: 'serve' }],
    [{ name: 'local' }, { name: 'kept' }],
  );
  const patch = linked(linkPatch({ ...request, base, units: [unit] }));
  assert.deepEqual(
    patch.manifest.imports.map(({ name }) => name),
    ['open_to_all'],
  );
  assert.equal(addressIn(patch, 'inner'), shop.addressOf('lib.so', 'inner')[0]);
  assert.equal(addressIn(patch, 'local'), shop.addressOf('lib.so', 'local')[0]);
  assert.equal(addressIn(patch, 'kept'), shop.addressOf('lib.so', 'kept')[0]);
});

const threads = `
__thread int depth = 3;
static __thread int hidden_depth;
int *where(void);
int enter(int x) { hidden_depth += x; depth++; return hidden_depth + depth; }
int leave(int x) { depth--; return depth - x + hidden_depth; }
`;
const threadMain = 'int enter(int), leave(int); int main(void) { return enter(1) + leave(2); }';

for (const flags of [
  ['-O2'],
  ['-O2', '-fPIC'],
  ['-O2', '-fPIC', '-fno-plt'],
  ['-O0', '-fPIC', '-ftls-model=initial-exec'],
]) {
  test(`thread-local variables of an executable are constants, whatever the linker made of them (${flags.join(' ')})`, async () => {
    using shop = new Workshop({ 't.c': threads, 'main.c': threadMain }, flags);
    const base = shop.base('program', 't.c', 'main.c');
    const unit = await shop.unit(
      't.c',
      `extern __thread int depth __attribute__((tls_model("local-exec")));
       extern __thread int hidden_depth __attribute__((tls_model("local-exec")));
       int fixed(int) __asm__("enter.kpatch");
       int fixed(int x) { hidden_depth -= x; return depth; }`,
      [{ name: 'enter' }],
      [{ name: 'hidden_depth' }],
    );
    const patch = linked(linkPatch({ ...request, base, units: [unit] }));
    const text = patch.sections.find(({ name }) => name === '.kpatch.text')!;
    assert.deepEqual(text.relocations, []);
    // .tdata and .tbss have four bytes each: depth at -8, hidden_depth at -4 from the thread pointer.
    const view = new DataView(text.bytes.buffer, text.bytes.byteOffset, text.bytes.length);
    const fields = new Set<number>();
    for (let at = 0; at + 4 <= text.size; at++) {
      const value = view.getInt32(at, true);
      if (value === -8 || value === -4) fields.add(value);
    }
    assert.deepEqual([...fields].sort(), [-4, -8]);
    assert.deepEqual(patch.manifest.variables.map(({ name, kind }) => [name, kind]).sort(), [
      ['depth', 'existing'],
      ['hidden_depth', 'existing'],
    ]);
  });
}

test('a base that was built from other source or with other flags is refused', async () => {
  using shop = new Workshop(
    {
      'p.c': 'int work(int x) { return x * 5 + 1; }\nint main(int c, char **v) { (void)v; return work(c); }',
    },
    ['-O1'],
  );
  const base = shop.base('program', 'p.c');
  writeFileSync(
    join(shop.dir, 'p.c'),
    'int work(int x) { return x * 9 + 1; }\nint main(int c, char **v) { (void)v; return work(c); }',
  );
  const unit = await shop.unit(
    'p.c',
    'int fixed(int) __asm__("work.kpatch"); int fixed(int x) { return x; }',
    [{ name: 'work' }],
  );
  assert.match(
    refusal(linkPatch({ ...request, base, units: [unit] })),
    /work in program is not what its source compiles to: it is different from byte \d+/,
  );
});

test('what a patch cannot carry is refused by name', async () => {
  using shop = new Workshop(
    {
      'p.c': 'int work(int x) { return x * 5 + 1; }\nint main(int c, char **v) { (void)v; return work(c); }',
    },
    ['-O1'],
  );
  const base = shop.base('program', 'p.c');
  const fixes: [string, RegExp][] = [
    [
      '__thread int fresh = 1; int fixed(int) __asm__("work.kpatch"); int fixed(int x) { return x + fresh; }',
      /thread-local/,
    ],
    [
      'volatile int seen; __attribute__((constructor)) static void early(void) { seen = 1; } int fixed(int) __asm__("work.kpatch"); int fixed(int x) { return x; }',
      /\.init_array/,
    ],
    [
      'extern int unseen __attribute__((visibility("hidden"))); int fixed(int) __asm__("work.kpatch"); int fixed(int x) { return x + unseen; }',
      /unseen is not in the object file/,
    ],
  ];
  for (const [fix, expected] of fixes) {
    const unit = await shop.unit('p.c', fix, [{ name: 'work' }], [{ name: 'unseen' }]);
    assert.match(refusal(linkPatch({ ...request, base, units: [unit] })), expected);
  }
});

test('a function without room for a redirect is refused, one with filler behind it is not', async () => {
  const source = {
    'p.c': `__asm__(".text\\n.globl tiny\\n.type tiny,@function\\ntiny: ret\\n.size tiny,1\\n.globl neighbour\\n.type neighbour,@function\\nneighbour: ret\\n.size neighbour,1\\n");
int tiny(int), neighbour(int);
__attribute__((aligned(16))) int roomy(void) { return 0; }
__attribute__((aligned(16))) int main(int c, char **v) { (void)v; tiny(c); neighbour(c); return roomy(); }`,
  };
  using shop = new Workshop(source, ['-O1', '-fcf-protection=none']);
  const base = shop.base('program', 'p.c');
  const fix = (name: string) => `int fixed(void) __asm__("${name}.kpatch"); int fixed(void) { return 1; }`;
  const tiny = await shop.unit('p.c', fix('tiny'), [{ name: 'tiny' }]);
  assert.match(refusal(linkPatch({ ...request, base, units: [tiny] })), /tiny is too short: 1 bytes/);
  const roomy = await shop.unit('p.c', fix('roomy'), [{ name: 'roomy' }]);
  const patch = linked(linkPatch({ ...request, base, units: [roomy] }));
  const { original } = patch.manifest.functions[0]!;
  assert.ok(original !== undefined && original.size >= 5 && original.entryBytes.length >= 10);
});

test('functions that a resolver chooses are called through the stub of a static base', async () => {
  using shop = new Workshop(
    {
      'p.c': `#include <string.h>
__attribute__((noinline)) int work(const char *s) { return (int)strlen(s); }
int main(int c, char **v) { return work(v[0]) + c; }`,
    },
    ['-O1'],
  );
  const base = shop.base('program', '-static', 'p.c');
  const fix = (body: string): string =>
    `#include <string.h>
int fixed(const char *s) __asm__("work.kpatch"); int fixed(const char *s) { ${body} }`;
  const unit = await shop.unit('p.c', fix('return s ? (int)strlen(s) : 0;'), [{ name: 'work' }]);
  const patch = linked(linkPatch({ ...request, base, units: [unit] }));
  const stub = addressIn(patch, 'strlen');
  const code = shop.run('objdump', '-d', '-j', '.plt', 'program');
  assert.ok(stub !== undefined && code.includes(` ${stub.toString(16)}:`), code);
  // A function that the unit did not call has no stub that the unit's own code shows.
  const other = await shop.unit('p.c', fix('return strchr(s, 47) ? 1 : 0;'), [{ name: 'work' }]);
  assert.match(
    refusal(linkPatch({ ...request, base, units: [other] })),
    /strchr is chosen by a resolver|strchr is not in/,
  );
});

test('the redirect goes behind a landing pad', async () => {
  using shop = new Workshop(
    {
      'p.c': 'int work(int x) { return x * 5 + 1; }\nint main(int c, char **v) { (void)v; return work(c); }',
    },
    ['-O1', '-fcf-protection=full'],
  );
  const base = shop.base('program', 'p.c');
  const unit = await shop.unit(
    'p.c',
    'int fixed(int) __asm__("work.kpatch"); int fixed(int x) { return x; }',
    [{ name: 'work' }],
  );
  const { original } = linked(linkPatch({ ...request, base, units: [unit] })).manifest.functions[0]!;
  assert.equal(original?.redirectOffset, 4);
  assert.match(original?.entryBytes ?? '', /^f30f1efa/);
});

test('two units see what either of them adds', async () => {
  using shop = new Workshop(namesakes, ['-O1']);
  const base = shop.base('program', 'a/counter.c', 'b/counter.c', 'main.c');
  const one = await shop.unit(
    'a/counter.c',
    `int limit = 5; int shared_check(int x) { return x < limit; }
     int fixed(int) __asm__("first.kpatch"); int fixed(int x) { return shared_check(x); }`,
    [{ name: 'shared_check', kind: 'new' }, { name: 'first' }],
  );
  const two = await shop.unit(
    'b/counter.c',
    `extern int limit __attribute__((visibility("hidden"))); int shared_check(int);
     int fixed(int) __asm__("second.kpatch"); int fixed(int x) { return shared_check(x) + limit; }`,
    [{ name: 'second' }],
  );
  const patch = linked(linkPatch({ ...request, base, units: [one, two] }));
  assert.deepEqual(patch.manifest.imports, []);
  assert.deepEqual(
    patch.manifest.functions.map(({ name, kind }) => [name, kind]),
    [
      ['shared_check', 'new'],
      ['first', 'changed'],
      ['second', 'changed'],
    ],
  );
  const text = patch.sections.find(({ name }) => name === '.kpatch.text')!;
  const targets = text.relocations.map(({ symbol }) => patch.symbols[symbol]!);
  assert.ok(targets.every(({ kind }) => kind === 'section'));
  assert.equal(new Set(patch.manifest.functions.map(({ replacement }) => replacement.offset)).size, 3);
});

test('linking is deterministic', async () => {
  using shop = new Workshop(namesakes, ['-O1']);
  const base = shop.base('program', 'a/counter.c', 'b/counter.c', 'main.c');
  const write = async (): Promise<Uint8Array> => {
    const unit = await shop.unit(
      'a/counter.c',
      'extern int count __attribute__((visibility("hidden"))); int fixed(int) __asm__("first.kpatch"); int fixed(int x) { return count += x; }',
      [{ name: 'first' }],
      [{ name: 'count' }],
    );
    const result = linkPatch({ ...request, base, units: [unit] });
    assert.equal(result.kind, 'linked');
    return result.kind === 'linked' ? writePatch(result.contents, sha256) : new Uint8Array();
  };
  assert.deepEqual(await write(), await write());
});

test('a stripped base and one without a build id are refused with the remedy', () => {
  using shop = new Workshop({ 'p.c': 'int main(void) { return 0; }' }, ['-O1']);
  shop.base('program', 'p.c');
  shop.run('strip', '-o', 'stripped', 'program');
  shop.run('objcopy', '--only-keep-debug', 'program', 'debug');
  const stripped = readFileSync(join(shop.dir, 'stripped'));
  assert.throws(() => Base.open(stripped, 'stripped'), { code: 'REFUSED' });
  assert.ok(
    Base.open(stripped, 'stripped', readFileSync(join(shop.dir, 'debug'))).definitions('main').length === 1,
  );
  shop.run('gcc', '-Wl,--build-id=none', '-o', 'anonymous', 'p.c');
  assert.throws(() => Base.open(readFileSync(join(shop.dir, 'anonymous')), 'anonymous'), {
    code: 'NO_BUILD_ID',
  });
});
