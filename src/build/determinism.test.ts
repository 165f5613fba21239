import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { buildPatchSet } from './pipeline.ts';
import { record } from './recorder.ts';

const UNITS = ['ant', 'bee', 'cat', 'dog'] as const;

const SHARED = `extern int total;
struct Failure { int n; };
struct Part { virtual ~Part() { total += 1; } virtual int of(int n) { return n; } };
template <typename T> __attribute__((noinline)) T scaled(T n) { static T calls; total += 2; return n * ++calls; }
${UNITS.map((unit) => `int ${unit}(int n);`).join('\n')}
`;

const unitText = (unit: string): string => `#include "shared.h"
namespace { struct Own : Part { int of(int n) override { return n + ${unit.length}; } }; int own; }
static __attribute__((noinline)) int step(int n) { static int count; if (n < 0) throw Failure{n}; return n + ++count + own; }
int ${unit}(int n) {
  static const char *const names[] = {"${unit}", "none"};
  Own part;
  try { own += step(n); } catch (const Failure &failure) { own = failure.n; }
  return scaled(part.of(n)) + names[n & 1][0];
}
`;

const MAIN = `#include "shared.h"
int total;
int main(int argc, char **) { return ${UNITS.map((unit) => `${unit}(argc)`).join(' + ')}; }
`;

/** Patches of the same fix: recorded, compiled and built in another folder, order and number of jobs. */
async function built(compiler: string, order: readonly string[], jobs: number): Promise<Map<string, Buffer>> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `suture-same-${'x'.repeat(jobs)}-`));
  try {
    const tree = path.join(folder, 'tree');
    const write = (root: string, change: (text: string) => string): void => {
      fs.mkdirSync(root, { recursive: true });
      fs.writeFileSync(path.join(root, 'shared.h'), change(SHARED));
      for (const unit of UNITS) fs.writeFileSync(path.join(root, `${unit}.cpp`), change(unitText(unit)));
      fs.writeFileSync(path.join(root, 'main.cpp'), MAIN);
    };
    const names = ['main', ...UNITS];
    write(tree, (text) => text);
    write(path.join(folder, 'a'), (text) => text);
    write(path.join(folder, 'b'), (text) =>
      text
        .replace('total += 2;', 'static T worst; if (n > worst) worst = n; total += 2;')
        .replace('if (n < 0)', 'if (n < 0 || n > 1000)')
        .replace('own = failure.n', 'own = failure.n + (int)sizeof "failed"'),
    );
    const fix = path.join(folder, 'fix.diff');
    const diff = `cd '${folder}' && diff -ruN a b > fix.diff; test -s fix.diff`;
    execFileSync('sh', ['-c', diff]);
    // A library takes some of the units too: two objects of one fix.
    const compile = order.map((name) => `${compiler} -O2 -fPIC -c ${name}.cpp`);
    const link = [
      `${compiler} -o prog ${names.map((name) => `${name}.o`).join(' ')}`,
      `${compiler} -shared -o libsome.so main.o ${UNITS.slice(2)
        .map((name) => `${name}.o`)
        .join(' ')}`,
    ];
    const { exitCode } = await record(['sh', '-c', ['set -e', ...compile, ...link].join('\n')], tree);
    assert.equal(exitCode, 0);
    const { patches, refused } = await buildPatchSet({
      dir: tree,
      id: 'same',
      outDir: path.join(folder, 'out'),
      diffs: [fix],
      functions: [],
      jobs,
    });
    assert.deepEqual(refused, []);
    return new Map(patches.map(({ file }) => [path.basename(file), fs.readFileSync(file)]));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

for (const compiler of ['g++', 'clang++']) {
  test(`many units with ${compiler}: neither the order of compiling, jobs nor the folder tell in a patch`, async () => {
    const names = ['main', ...UNITS];
    const one = await built(compiler, names, 1);
    const other = await built(compiler, [...names].reverse(), 7);
    assert.equal(one.size, 2);
    assert.deepEqual([...other.keys()].sort(), [...one.keys()].sort());
    for (const [name, bytes] of one) assert.ok(other.get(name)?.equals(bytes), `${name} differs`);
  });
}
