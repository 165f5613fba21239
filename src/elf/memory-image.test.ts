import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SutureError } from '../base/errors.ts';
import { type Remote, remote } from '../bytes/address.ts';
import { framesOfFile, framesOfMemory } from '../dwarf/find-frames.ts';
import * as C from './constants.ts';
import { ElfImage } from './image.ts';
import { Dyn } from './layout.ts';
import { MemoryImage } from './memory-image.ts';

const LIBRARY = `
#include <stdio.h>
extern int elsewhere;
int table[4] = { 1, 2, 3, 4 };
int *pointer = table;
int f(int x) { return printf("%d", x) + elsewhere; }`;

function library(flags: readonly string[]): ElfImage {
  const folder = mkdtempSync(join(tmpdir(), 'suture-memory-'));
  try {
    writeFileSync(join(folder, 'x.c'), LIBRARY);
    const ended = spawnSync(
      'gcc',
      ['-O2', '-shared', '-fPIC', '-Wl,--build-id,-soname,libx.so.3', ...flags, 'x.c', '-o', 'x.so'],
      { encoding: 'utf8', cwd: folder },
    );
    assert.equal(ended.status, 0, ended.stderr);
    return ElfImage.parse(readFileSync(join(folder, 'x.so')), 'x.so');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const ADDRESS_TAGS = [
  C.DT_HASH,
  C.DT_STRTAB,
  C.DT_SYMTAB,
  C.DT_RELA,
  C.DT_JMPREL,
  C.DT_VERSYM,
  C.DT_VERNEED,
  C.DT_GNU_HASH,
];

/** Memory as a dynamic linker leaves it: segments in place; glibc also adds the bias to address tags, musl does not. */
function mapped(
  file: ElfImage,
  at: bigint,
  relocatesTags: boolean,
): (address: Remote, size: number) => Uint8Array | undefined {
  const { end } = file.loadRange()!;
  const memory = new Uint8Array(Number(end));
  for (const { type, vaddr, fileOffset, fileSize } of file.segments) {
    if (type === C.PT_LOAD) memory.set(file.bytes.subarray(fileOffset, fileOffset + fileSize), Number(vaddr));
  }
  const view = new DataView(memory.buffer);
  const dynamic = file.segments.find(({ type }) => type === C.PT_DYNAMIC)!;
  for (let offset = 0; relocatesTags && offset < dynamic.memSize; offset += Dyn.size) {
    const entry = Dyn.edit(view, Number(dynamic.vaddr) + offset);
    if (ADDRESS_TAGS.includes(Number(entry.tag))) entry.value += at;
  }
  return (address, size) => {
    const offset = Number(address - at);
    return offset >= 0 && offset + size <= memory.length ? memory.subarray(offset, offset + size) : undefined;
  };
}

for (const [libc, relocatesTags] of [
  ['glibc', true],
  ['musl', false],
] as const) {
  for (const flags of [
    ['-Wl,--hash-style=gnu'],
    ['-Wl,--hash-style=sysv'],
    ['-Wl,--hash-style=gnu,-z,pack-relative-relocs'],
  ]) {
    test(`an object in memory as ${libc} leaves it tells what its file tells (${flags})`, () => {
      const file = library(flags);
      const at = 0x7f12_3456_7000n;
      const image = MemoryImage.fromMemory(mapped(file, at, relocatesTags), remote(at));
      assert.equal(image.bias, at);
      assert.equal(image.start, at);
      assert.equal(image.buildId, file.buildId());
      assert.equal(image.soname(), 'libx.so.3');
      assert.deepEqual(image.needed(), file.needed());
      const names = (of: {
        dynamicSymbols: Iterable<{ name: string; value: bigint; version: string | undefined }>;
      }) => Array.from(of.dynamicSymbols, ({ name, value, version }) => [name, value, version]);
      assert.deepEqual(names(image), names(file));
      const places = (of: ElfImage | MemoryImage) =>
        of.dynamicRelocations().map(({ at: place, type, symbol, plt }) => [place, type, symbol?.name, plt]);
      assert.deepEqual(places(image), places(file));
      assert.deepEqual(framesOfMemory(image)?.starts, framesOfFile(file)?.starts);
    });
  }
}

test('memory that cannot be read, or is no ELF object, is one clear error', () => {
  assert.throws(
    () => MemoryImage.fromMemory(() => undefined, remote(0x1000n)),
    (error: unknown) => error instanceof SutureError && error.code === 'IO',
  );
  assert.throws(
    () => MemoryImage.fromMemory((_, size) => new Uint8Array(size), remote(0x1000n)),
    (error: unknown) => error instanceof SutureError && error.code === 'NOT_ELF',
  );
});

test('the vdso of this process has symbols and frames', () => {
  const found = /^(\w+)-.*\[vdso\]$/m.exec(readFileSync('/proc/self/maps', 'latin1'));
  assert.ok(found, 'this process has a vdso');
  const fd = openSync('/proc/self/mem', 'r');
  try {
    const read = (at: Remote, size: number): Uint8Array => {
      const bytes = new Uint8Array(size);
      assert.equal(readSync(fd, bytes, 0, size, Number(at)), size);
      return bytes;
    };
    const image = MemoryImage.fromMemory(read, remote(BigInt(`0x${found[1]}`)), '[vdso]');
    assert.match(image.buildId ?? '', /^[0-9a-f]{40}$/);
    const function_ = [...image.dynamicSymbols].find(({ name }) => name.includes('clock_gettime'));
    assert.ok(function_ !== undefined);
    assert.match(function_.version ?? '', /^LINUX_/);
    assert.ok(framesOfMemory(image)?.find(function_.value), 'clock_gettime has an FDE');
  } finally {
    closeSync(fd);
  }
});
