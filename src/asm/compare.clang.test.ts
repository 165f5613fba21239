import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { assembly } from '../arch/x86_64/assembly.ts';
import { compareUnits, composeUnit, parseUnit } from './index.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'asm-cxx-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** A unit with most of what C++ makes of a source: guards, thunks, tables of types, closures, exceptions. */
const source = (change: { before?: string; use?: string; text?: string }): string => `
#include <string>
#include <vector>
#include <map>
#include <stdexcept>
#include <functional>
#include <algorithm>
struct A { virtual ~A() {} virtual int m(int x) { if (x < 0) throw std::runtime_error("${change.text ?? 'neg'}"); return x; } };
struct B : A { int m(int x) override { try { return A::m(x); } catch (std::exception &e) { return std::string(e.what()).size(); } } };
${change.before ?? ''}
A *make() { static B b; static std::string name("abc"); return name.size() ? &b : nullptr; }
std::function<int(int)> closure(int x) { return [x](int y) { static int n; return x + y + ++n; }; }
std::map<std::string, int> global{{"a", 1}};
int use(const std::string &k) { auto it = global.find(k); if (it == global.end()) throw std::out_of_range("none"); return it->second${change.use ?? ''}; }
int sorts(std::vector<int> &v) { std::sort(v.begin(), v.end(), [](int a, int b) { return a > b; }); return v[0]; }
thread_local std::string perThread("x");
int size() { return perThread.size(); }
namespace { int hidden(int x) { static int calls; return ++calls * x; } }
int anonymous(int x) { return hidden(x); }
`;

const EARLY =
  'int early(int x) { return std::function<int(int)>([](int q) { static int n; return q * ++n; })(x); }';

async function compile(compiler: string, flags: string, text: string): Promise<Buffer> {
  const base = join(folder, `unit${files++}`);
  writeFileSync(`${base}.cc`, `#line 1 "unit.cc"\n${text}`);
  await run(compiler, ['-w', '-std=c++17', '-S', ...flags.split(' '), '-o', `${base}.s`, `${base}.cc`]);
  return readFile(`${base}.s`);
}

const FLAGS = ['-O0', '-O1 -g', '-O2 -fPIC', '-O3 -ffunction-sections', '-Os'];

for (const compiler of ['g++', 'clang++']) {
  for (const flags of FLAGS) {
    test(`${compiler} ${flags}`, async () => {
      const original = await compile(compiler, flags, source({}));
      const parse = (text: Buffer) => parseUnit(text, assembly, 'unit.cc');
      const same = compareUnits(parse(original), parse(original));
      assert.deepEqual([...same.functions, ...same.variables, ...same.other], []);
      const expectations: [string, string[]][] = [
        [source({ use: ' + 1' }), ['use']],
        [source({ text: 'negative' }), ['1mEi']],
        [source({ before: EARLY }), []],
        [source({ before: EARLY, use: ' + 1' }), ['use']],
      ];
      for (const [text, changed] of expectations) {
        const [before, after] = [parse(original), parse(await compile(compiler, flags, text))];
        const difference = compareUnits(before, after);
        const names = difference.functions.filter(({ kind }) => kind === 'changed').map(({ name }) => name);
        assert.ok(
          names.length === changed.length &&
            changed.every((part) => names.some((name) => name.includes(part))),
          `changed: ${names.join(', ')}`,
        );
        assert.deepEqual(
          difference.variables
            .filter(({ kind }) => kind !== 'new')
            .map(({ kind, name }) => `${kind} ${name}`),
          [],
        );
        assert.deepEqual(difference.other, []);
        const composed = composeUnit(before, after, difference);
        const base = join(folder, `composed${files++}`);
        writeFileSync(`${base}.s`, composed.text, 'latin1');
        await run(compiler, ['-c', '-o', `${base}.o`, `${base}.s`]);
        const { stdout } = await run('nm', ['-u', '-f', 'posix', `${base}.o`]);
        const wanted = stdout
          .split('\n')
          .map((line) => line.split(' ')[0]!)
          .filter((name) => name !== '' && !/^(_GLOBAL_OFFSET_TABLE_|__tls_get_addr)$/.test(name));
        assert.deepEqual(
          wanted.sort(),
          composed.references
            .map(({ name }) => name)
            .filter((name) => name !== '__tls_get_addr')
            .sort(),
        );
      }
    });
  }
}
