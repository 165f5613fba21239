/**
 * Recording and patching under the build systems that people use. Each builds the same two files, a library's and a
 * program's; the fix changes one function of each, so that both objects get a patch with exactly that.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildPatchSet } from '../../src/build/pipeline.ts';
import { record } from '../../src/build/recorder.ts';

const LIBRARY = `#include "scale.h"
static int calls;
__attribute__((noinline)) static int scaled(int n) { calls++; return n * 2; }
int scale(int n) { return scaled(n) + calls; }
`;
const PROGRAM = `#include <stdio.h>
#include "scale.h"
__attribute__((noinline)) static void show(int n) { printf("%d\\n", scale(n)); }
int main(int c, char **v) { (void)v; show(c); return 0; }
`;
const SOURCES = { 'lib/scale.h': 'int scale(int n);\n', 'lib/scale.c': LIBRARY, 'app/main.c': PROGRAM };
const FIX = `--- a/lib/scale.c
+++ b/lib/scale.c
@@ -3,1 +3,1 @@
-__attribute__((noinline)) static int scaled(int n) { calls++; return n * 2; }
+__attribute__((noinline)) static int scaled(int n) { calls++; return n * 3; }
--- a/app/main.c
+++ b/app/main.c
@@ -3,1 +3,1 @@
-__attribute__((noinline)) static void show(int n) { printf("%d\\n", scale(n)); }
+__attribute__((noinline)) static void show(int n) { printf("%d!\\n", scale(n)); }
`;

class Project {
  readonly folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'suture-systems-')));
  readonly tree = path.join(this.folder, 'tree');

  constructor(t: TestContext, files: Readonly<Record<string, string>>) {
    t.after(() => fs.rmSync(this.folder, { recursive: true, force: true }));
    for (const [name, text] of Object.entries({ ...SOURCES, ...files })) {
      const file = path.join(this.tree, name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, text);
    }
    fs.writeFileSync(path.join(this.folder, 'fix.diff'), FIX);
  }

  async record(...command: string[]): Promise<void> {
    const said: string[] = [];
    const progress = { step() {}, note() {}, warn: (text: string) => said.push(text) };
    const { exitCode } = await record(command, this.tree, progress, { outputToError: true });
    assert.equal(exitCode, 0, said.join('\n'));
  }

  run(...[command, ...args]: [string, ...string[]]): void {
    execFileSync(command, args, { cwd: this.tree, stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** Objects with the functions of their patches; fails if anything is refused. */
  async patched(): Promise<string[]> {
    const result = await buildPatchSet({
      dir: this.tree,
      id: 'fix',
      outDir: path.join(this.folder, 'out'),
      diffs: [path.join(this.folder, 'fix.diff')],
      functions: [],
      jobs: 2,
    });
    assert.deepEqual(result.refused, []);
    for (const { file } of result.patches) assert.ok(fs.statSync(file).size > 0);
    return result.patches
      .map(({ object, functions }) => {
        const changed = functions.map(({ name, unit, kind }) => `${kind} ${name} of ${unit}`);
        return `${path.relative(this.tree, object)}: ${changed.sort().join(', ')}`;
      })
      .sort();
  }
}

const IN_LIBRARY = 'changed scaled of lib/scale.c';
const IN_PROGRAM = 'changed show of app/main.c';

/** One program out of both files, as `make` with the given compiler makes it. */
const plainMake = (compiler: string): string =>
  `CC = ${compiler}
CFLAGS = -O2 -g -Ilib
prog: app/main.o lib/scale.o
\t$(CC) -o $@ $^
%.o: %.c
\t$(CC) $(CFLAGS) -c -o $@ $<
`;
const IN_ONE = [`prog: ${IN_LIBRARY}, ${IN_PROGRAM}`];

test('make, recursive and parallel, with an archive', async (t) => {
  const project = new Project(t, {
    Makefile: 'all:\n\t$(MAKE) -C lib\n\t$(MAKE) -C app\n',
    'lib/Makefile': 'libscale.a: scale.o\n\tar rcs $@ $^\nscale.o: scale.c\n\t$(CC) -O2 -g -c -o $@ $<\n',
    'app/Makefile': '../prog: main.c\n\t$(CC) -O2 -g -I../lib -o $@ main.c -L../lib -lscale\n',
  });
  await project.record('make', '-j2');
  assert.deepEqual(await project.patched(), IN_ONE);
});

test('make with a compiler by absolute path', async (t) => {
  const project = new Project(t, { Makefile: plainMake('/usr/bin/gcc') });
  await project.record('make');
  assert.deepEqual(await project.patched(), IN_ONE);
});

test('make with a compiler by cross prefix', async (t) => {
  const machine = execFileSync('gcc', ['-dumpmachine'], { encoding: 'utf8' }).trim();
  const project = new Project(t, { Makefile: plainMake(`${machine}-gcc`) });
  await project.record('make');
  assert.deepEqual(await project.patched(), IN_ONE);
});

for (const [how, compiler] of [
  ['in front of the compiler', 'ccache gcc'],
  ['under the compiler’s name', 'gcc'],
] as const) {
  test(`make with ccache ${how}, nothing cached and all`, async (t) => {
    const project = new Project(t, { Makefile: plainMake(compiler) });
    const masks = path.join(project.folder, 'masks');
    fs.mkdirSync(masks);
    const ccache = execFileSync('sh', ['-c', 'command -v ccache'], { encoding: 'utf8' }).trim();
    if (compiler === 'gcc') fs.symlinkSync(ccache, path.join(masks, 'gcc'));
    const cached = path.join(project.folder, 'cache');
    const environment = [`CCACHE_DIR=${cached}`, `PATH=${masks}:${process.env.PATH}`];
    const hits = (): string =>
      execFileSync('ccache', ['--print-stats'], {
        encoding: 'utf8',
        env: { ...process.env, CCACHE_DIR: cached },
      });
    await project.record('env', ...environment, 'make');
    assert.match(hits(), /^cache_miss\t2$/m);
    assert.deepEqual(await project.patched(), IN_ONE);

    project.run('rm', '-rf', 'prog', 'app/main.o', 'lib/scale.o', '.suture');
    await project.record('env', ...environment, 'make');
    assert.match(hits(), /^cache_miss\t2$/m);
    assert.deepEqual(await project.patched(), IN_ONE);
    assert.match(hits(), /^cache_miss\t2$/m, 'a build of a patch leaves the cache alone');
  });
}

const CMAKE = {
  'CMakeLists.txt': `cmake_minimum_required(VERSION 3.13)
project(scale C)
set(CMAKE_BUILD_TYPE RelWithDebInfo)
add_library(scale SHARED lib/scale.c)
target_include_directories(scale PUBLIC lib)
add_executable(prog app/main.c)
target_link_libraries(prog scale)
`,
};

for (const generator of ['Unix Makefiles', 'Ninja']) {
  test(`cmake with ${generator}`, async (t) => {
    const project = new Project(t, CMAKE);
    await project.record('sh', '-c', `cmake -S . -B build -G '${generator}' && cmake --build build`);
    assert.deepEqual(await project.patched(), [
      `build/libscale.so: ${IN_LIBRARY}`,
      `build/prog: ${IN_PROGRAM}`,
    ]);
  });
}

test('compile_commands.json that cmake wrote, without a record', async (t) => {
  const project = new Project(t, CMAKE);
  project.run('cmake', '-S', '.', '-B', 'build', '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON');
  project.run('cmake', '--build', 'build');
  assert.deepEqual(await project.patched(), [
    `build/libscale.so: ${IN_LIBRARY}`,
    `build/prog: ${IN_PROGRAM}`,
  ]);
});

test('meson', async (t) => {
  const project = new Project(t, {
    'meson.build': `project('scale', 'c', default_options: ['buildtype=debugoptimized'])
headers = include_directories('lib')
scale = shared_library('scale', 'lib/scale.c', include_directories: headers)
executable('prog', 'app/main.c', include_directories: headers, link_with: scale)
`,
  });
  await project.record('sh', '-c', 'meson setup build && meson compile -C build');
  assert.deepEqual(await project.patched(), [
    `build/libscale.so: ${IN_LIBRARY}`,
    `build/prog: ${IN_PROGRAM}`,
  ]);
});

test('autotools with libtool', async (t) => {
  const project = new Project(t, {
    'configure.ac':
      'AC_INIT([scale], [1])\nAC_CONFIG_MACRO_DIRS([m4])\nAM_INIT_AUTOMAKE([foreign subdir-objects])\nLT_INIT([disable-static])\nAC_PROG_CC\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n',
    'Makefile.am':
      'AM_CPPFLAGS = -I$(srcdir)/lib\nlib_LTLIBRARIES = libscale.la\nlibscale_la_SOURCES = lib/scale.c lib/scale.h\nbin_PROGRAMS = prog\nprog_SOURCES = app/main.c\nprog_LDADD = libscale.la\n',
  });
  fs.mkdirSync(path.join(project.tree, 'm4'));
  project.run('autoreconf', '-i');
  await project.record('sh', '-c', './configure --quiet && make -s');
  assert.deepEqual(await project.patched(), [
    `.libs/libscale.so.0.0.0: ${IN_LIBRARY}`,
    `.libs/prog: ${IN_PROGRAM}`,
  ]);
});

test('dpkg-buildpackage', async (t) => {
  const project = new Project(t, {
    Makefile: plainMake('gcc'),
    'debian/control':
      'Source: scale\nMaintainer: A Person <person@example.org>\nStandards-Version: 4.6.0\n\nPackage: scale\nArchitecture: any\nDescription: scales\n It scales.\n',
    'debian/changelog':
      'scale (1-1) unstable; urgency=low\n\n  * First.\n\n -- A Person <person@example.org>  Mon, 01 Jan 2024 00:00:00 +0000\n',
    'debian/rules': `#!/usr/bin/make -f
build build-arch:
\t$(MAKE)
build-indep:
clean:
binary binary-arch: build
\tmkdir -p debian/scale/DEBIAN debian/scale/usr/bin
\tinstall -s prog debian/scale/usr/bin/prog
\tdpkg-gencontrol -pscale -Pdebian/scale
\tdpkg-deb --build debian/scale ..
binary-indep:
`,
  });
  fs.chmodSync(path.join(project.tree, 'debian/rules'), 0o755);
  await project.record('dpkg-buildpackage', '-b', '-us', '-uc', '-d');
  const [first, ...others] = await project.patched();
  assert.equal(first, IN_ONE[0]);
  assert.deepEqual(others, []);
});
