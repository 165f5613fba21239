import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCompilerCommand } from './command-line.ts';
import { recognizeTool } from './program.ts';
import { expandResponseFiles, splitResponse } from './response-file.ts';

const parse = (line: string) => parseCompilerCommand(line.split(' '));

test('an ordinary compile', () => {
  const command = parse('gcc -O2 -Iinc -I ../x -D A=1 -Wall -MD -MF x.d -MT x.o -c src/x.c -o obj/x.o');
  assert.equal(command.stage, 'object');
  assert.equal(command.output, 'obj/x.o');
  assert.equal(command.dependencyFile, 'x.d');
  assert.deepEqual(command.sources, [{ path: 'src/x.c', language: 'c', option: undefined }]);
  assert.deepEqual(command.options, ['-O2', '-Iinc', '-I', '../x', '-D', 'A=1', '-Wall']);
  assert.deepEqual(command.include.angle, ['inc', '../x']);
});

test('joined values, -x, forced includes, and dependency options in -Wp', () => {
  const command = parse('clang++-15 -xc -ox.o -include pre.h -Wp,-MMD,dep/.x.d,-DQ=1 -c thing');
  assert.equal(command.output, 'x.o');
  assert.equal(command.dependencyFile, 'dep/.x.d');
  assert.deepEqual(command.sources, [{ path: 'thing', language: 'c', option: 'c' }]);
  assert.deepEqual(command.include.forced, ['pre.h']);
  assert.deepEqual(command.options, ['-include', 'pre.h', '-Wp,-DQ=1']);
});

test('compiling and linking in one command', () => {
  const command = parse(
    'cc -O1 a.c b.c lib/z.a -Llib -lfoo -Wl,-rpath,/x,--start-group,y.a,--end-group -o prog',
  );
  assert.equal(command.stage, 'link');
  assert.deepEqual(
    command.sources.map((source) => source.path),
    ['a.c', 'b.c'],
  );
  assert.deepEqual(command.link, {
    kind: 'executable',
    searchFolders: ['lib'],
    inputs: [
      { kind: 'source', path: 'a.c' },
      { kind: 'source', path: 'b.c' },
      { kind: 'file', path: 'lib/z.a' },
      { kind: 'library', name: 'foo' },
      { kind: 'file', path: 'y.a' },
    ],
  });
  assert.deepEqual(command.options, ['-O1']);
});

test('libraries, partial links and LTO are told apart', () => {
  assert.equal(parse('gcc -shared -fPIC x.o -o libx.so').link.kind, 'library');
  assert.equal(parse('gcc -r x.o y.o -o z.o').link.kind, 'relocatable');
  assert.equal(parse('gcc -flto=auto -c x.c').lto, true);
  assert.equal(parse('gcc -flto -fno-lto -c x.c').lto, false);
  assert.equal(parse('gcc -E x.c').stage, 'inspect');
  assert.equal(parse('gcc -S -c x.c').stage, 'assembly');
});

test('programs are known by name, whatever stands before it', () => {
  const kind = (line: string) => recognizeTool(line.split(' '))?.kind;
  assert.equal(kind('/opt/x/bin/aarch64-linux-gnu-gcc-12 -c a.c'), 'compiler');
  assert.equal(kind('ccache /usr/bin/g++ -c a.cc'), 'compiler');
  assert.equal(kind('/bin/sh /opt/wrap/cc -c a.c'), 'compiler');
  assert.equal(kind('/bin/sh -c cc'), undefined);
  assert.equal(kind('/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet a.c'), undefined);
  assert.equal(kind('gcc-ar cr x.a y.o'), 'archiver');
  assert.equal(kind('ld -r -o x.o y.o'), 'linker');
  assert.equal(kind('ccache -s'), undefined);
  assert.equal(kind('make'), undefined);
});

test('response files', () => {
  assert.deepEqual(splitResponse(`a "b c" d\\ e '"' ""\n`), ['a', 'b c', 'd e', '"', '']);
  const files: Record<string, string> = { one: '-c @two', two: 'x.c' };
  assert.deepEqual(
    expandResponseFiles(['gcc', '@one', '@none'], (name) => files[name]),
    ['gcc', '-c', 'x.c', '@none'],
  );
  assert.equal(expandResponseFiles(['@loop'], () => '@loop').length, 1);
});
