/** `build --compat`: what LibcarePlus's loader, made from its documented behaviour alone, does with our patches. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { applyPatches, revertPatches, statusOf } from '../../src/apply/engine.ts';
import { buildPatchSet } from '../../src/build/pipeline.ts';
import { record } from '../../src/build/recorder.ts';
import type { BuildResult } from '../../src/build/result.ts';
import { readPatch } from '../../src/patch/reader.ts';
import { Target } from '../../src/process/target.ts';
import { sha256 } from '../../src/store/catalogue.ts';
import { Workshop } from '../apply/fixture.ts';
import { Workspace } from '../programs/harness.ts';
import { ElfView } from './elf-view.ts';
import { HEADER, RECORD } from './foreign-file.ts';
import { loaderCheck, loadForeign } from './foreign-loader.ts';

const PROGRAM = `
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
static int calls;
static __thread int mine = 7;
__thread int shared = 9;
int limit = 5;
static int twice(int x) { return 2 * x; }
static int (*volatile op)(int) = twice;
__attribute__((noinline)) int f(int x) { calls++; return op(x) + limit; }
__attribute__((noinline)) int g(int x) { mine++; shared++; return x * 2 + calls; }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    int x = atoi(line);
    int of_f = f(x);
    printf("%d: %d %d\\n", x, of_f, g(x));
    if (x > 1000) fprintf(stderr, "large\\n");
  }
}
`;
const FIXED = PROGRAM.replace(
  '__attribute__((noinline)) int f(int x) { calls++; return op(x) + limit; }',
  `static int thrice(int x) { return 3 * x; }
static int seen = 40, zeroes[2000];
static const char *const names[] = {"zero", "one", "two"};
__attribute__((noinline)) int f(int x) {
  calls++;
  seen++;
  zeroes[x]++;
  op = thrice;
  mine += 100;
  errno = 0;
  char text[16];
  snprintf(text, sizeof text, "%s%d", names[x % 3], zeroes[x]);
  if (x > 1000) fprintf(stderr, "%s\\n", text);
  return seen * 1000 + op(x) + limit + mine + shared + text[3] - '0' + errno;
}`,
);

let shop: Workshop;
const places: Workspace[] = [];
before(() => {
  shop = new Workshop();
});
after(async () => {
  shop[Symbol.dispose]();
  for (const place of places) await place.close();
});

interface Built {
  readonly result: BuildResult;
  readonly program: string;
}

async function build(
  [file, before, after]: readonly [string, string, string],
  options: {
    readonly id?: string;
    readonly flags?: readonly string[];
    readonly links?: readonly string[];
  } = {},
): Promise<Built> {
  const place = new Workspace('compat');
  places.push(place);
  place.writeTree(new Map([[file, before]]), options.flags ?? ['-O2'], options.links);
  const diff = await place.writeDiff(new Map([[file, before]]), new Map([[file, after]]));
  const { exitCode } = await record(['make'], place.tree, undefined, { outputToError: true });
  assert.equal(exitCode, 0);
  const result = await buildPatchSet({
    dir: place.tree,
    id: options.id ?? '0001',
    outDir: place.patches,
    diffs: [diff],
    functions: [],
    jobs: 1,
    compat: true,
  });
  return { result, program: join(place.tree, 'prog') };
}

for (const flags of [
  ['-O2'],
  ['-O2', '-fPIE', '-fcf-protection=full'],
  ['-O0', '-no-pie', '-fno-pie'],
  ['-O2', '-fno-plt', '-fPIE'],
]) {
  test(`${flags.join(' ')}: either loader takes it`, async () => {
    const { result, program } = await build(['answers.c', PROGRAM, FIXED], { flags });
    assert.deepEqual(result.refused, []);
    const bytes = new Uint8Array(readFileSync(result.patches[0]!.file));
    loaderCheck(bytes);
    requireLayout(bytes);

    const running = shop.start(program);
    assert.equal(await running.ask('1'), '1: 7 3');
    loadForeign(running.pid, bytes, 3);
    // seen 41, thrice(1) = 3, limit 5, mine 8 + 100, shared 10, "one1"
    assert.equal(await running.ask('1'), `1: ${41000 + 3 + 5 + 108 + 10 + 1} 4`);
    const target = Target.open(running.pid);
    try {
      const [object] = statusOf(target);
      assert.deepEqual(
        object?.patches.map(({ id, origin, functions }) => [id, origin, functions.map(({ name }) => name)]),
        [['0001', 'libcareplus', ['f']]],
      );
      assert.equal(revertPatches([target], ['0001'])[0]?.outcome, 'reverted');
      // The program holds the address of a function of the patch: what it leads to stays.
      assert.equal(await running.ask('1'), '1: 8 5');
    } finally {
      target.close();
    }

    const other = shop.start(program);
    assert.equal(await other.ask('1'), '1: 7 3');
    const target2 = Target.open(other.pid);
    try {
      const patch = readPatch(bytes, sha256, 'compat.kpatch');
      assert.equal(patch.origin, 'suture');
      const [applied] = applyPatches([target2], [patch]);
      assert.equal(applied?.outcome, 'applied', applied?.reason);
      assert.equal(await other.ask('1'), `1: ${41000 + 3 + 5 + 108 + 10 + 1} 4`);
    } finally {
      target2.close();
    }
  });
}

/** What the documented loader relies on without looking. */
function requireLayout(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  assert.equal(bytes.length % 16, 0);
  assert.equal(view.getUint32(HEADER.totalSize, true), bytes.length);
  assert.equal(view.getUint32(HEADER.elfOffset, true), HEADER.size);
  assert.equal(view.getUint32(HEADER.relocationsOffset, true), HEADER.size);
  assert.equal(Buffer.from(bytes.subarray(8, 16)).toString('latin1'), '0001\0\0\0\0');
  for (const field of [HEADER.jumpTable, HEADER.elfInRegion, HEADER.undo, HEADER.records, HEADER.level])
    assert.equal(view.getUint32(field, true), 0);
  const elf = new ElfView(bytes.slice(HEADER.size));
  const data = elf.section('.kpatch.data');
  assert.equal(data.offset % 4096, 0, 'data begins on a page of the region');
  for (const { name, type, flags, offset } of elf.sections) {
    if (type !== 1 || (flags & 2) === 0 || name === '.eh_frame') continue;
    assert.match(name, /^\.kpatch\./);
    assert.equal((flags & 1) !== 0, offset >= data.offset, `${name} is on the right side of the page`);
    if (offset < data.offset) assert.equal(flags & 1, 0);
  }
  assert.ok(!elf.sections.some(({ name, type }) => name.startsWith('.kpatch') && type === 8));
  assert.ok(elf.sections.filter(({ name }) => name.startsWith('.kpatch')).length <= 16);
  const records = elf.section('.kpatch.info');
  assert.equal(records.offset % 8, 0);
  assert.equal(records.size % RECORD.size, 24, 'a terminator of 24 bytes');
  assert.ok(
    elf
      .contents(records)
      .subarray(-24)
      .every((byte) => byte === 0),
  );
}

test('a variable of the thread of a library goes through the library’s own word', async () => {
  const library = `
__thread int depth = 3;
__attribute__((noinline)) int f(int x) { return x + depth; }
`;
  const place = new Workspace('compat');
  places.push(place);
  const flags = ['-O2', '-fPIC', '-ftls-model=initial-exec'];
  const makefile = [
    'prog: main.c libdeep.so',
    '\tgcc -O1 -o $@ main.c -L. -ldeep -Wl,-rpath,$(CURDIR)',
    'libdeep.so: deep.o',
    '\tgcc -shared -Wl,--build-id -o $@ $^',
    'deep.o: deep.c',
    `\tgcc ${flags.join(' ')} -c -o $@ $<`,
    '',
  ].join('\n');
  const main = `
#include <stdio.h>
#include <stdlib.h>
int f(int);
int main(void) { char line[64]; setvbuf(stdout, NULL, _IOLBF, 0); while (fgets(line, 64, stdin)) printf("%d\\n", f(atoi(line))); }
`;
  const after = library.replace('return x + depth;', 'depth += x; return 100 * depth;');
  place.write(
    new Map([
      ['Makefile', makefile],
      ['main.c', main],
      ['deep.c', library],
    ]),
  );
  const diff = await place.writeDiff(new Map([['deep.c', library]]), new Map([['deep.c', after]]));
  await record(['make'], place.tree, undefined, { outputToError: true });
  const options = {
    dir: place.tree,
    id: '0001',
    outDir: place.patches,
    diffs: [diff],
    functions: [],
    jobs: 1,
  };
  const result = await buildPatchSet({ ...options, compat: true });
  assert.deepEqual(result.refused, []);
  const running = shop.start(join(place.tree, 'prog'));
  assert.equal(await running.ask('1'), '4');
  loadForeign(running.pid, new Uint8Array(readFileSync(result.patches[0]!.file)));
  assert.equal(await running.ask('2'), '500');
});

test('what its loader lacks is refused with the reason', async () => {
  const simple = [
    'fix.c',
    'int f(int x) { return x * 12345 + 17; }\nint main(void) { return f(0); }\n',
  ] as const;
  const long = await build([...simple, simple[1].replace('17', '18')], {
    id: 'CVE-2024-1',
  });
  assert.match(long.result.refused[0]?.what ?? '', /the id CVE-2024-1 has more than the 7 characters/);
  assert.match(long.result.refused[0]?.remedy ?? '', /leave out --compat/);
  const cxx = await build([
    'fix.cpp',
    'int f(int x) { return x * 12345 + 17; }\nint main() { return f(0); }\n',
    'int f(int x) { return x * 12345 + 18; }\nint main() { return f(0); }\n',
  ]);
  assert.match(cxx.result.refused[0]?.what ?? '', /fix\.cpp is C\+\+/);
});
