import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SutureError } from '../base/errors.ts';
import { vaddr } from '../bytes/address.ts';
import { SHT_NOBITS } from './constants.ts';
import { ElfImage } from './image.ts';
import { Ehdr } from './layout.ts';

function built(source: string, flags: readonly string[], extension = 'c'): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'suture-image-'));
  try {
    writeFileSync(join(folder, `input.${extension}`), source);
    const ended = spawnSync('gcc', [...flags, `input.${extension}`, '-o', 'output'], {
      encoding: 'utf8',
      cwd: folder,
    });
    assert.equal(ended.status, 0, ended.stderr);
    return readFileSync(join(folder, 'output'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const failsWith =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof SutureError && error.code === code;

test('what is no 64-bit little-endian ELF file is refused with the reason', () => {
  assert.throws(() => ElfImage.parse(new Uint8Array(0), 'a'), failsWith('NOT_ELF'));
  assert.throws(
    () => ElfImage.parse(new TextEncoder().encode('#!/bin/sh\n'), 'a'),
    /^SutureError: a is not an ELF file$/,
  );
  const header = Ehdr.make({ magic: '\x7fELF', class: 2, data: 1, identVersion: 1 });
  assert.equal(ElfImage.parse(header).sections.length, 0);
  assert.throws(() => ElfImage.parse(header.subarray(0, 40)), failsWith('BAD_FORMAT'));
  const with32 = header.slice();
  with32[4] = 1;
  assert.throws(() => ElfImage.parse(with32), failsWith('UNSUPPORTED'));
  const bigEndian = header.slice();
  bigEndian[5] = 2;
  assert.throws(() => ElfImage.parse(bigEndian), failsWith('UNSUPPORTED'));
});

test('relocations are found by the section they apply to', () => {
  const image = ElfImage.parse(
    built('extern int x; int f(void) { return x; } int *p = &x;', [
      '-c',
      '-O2',
      '-fdata-sections',
      '-ffunction-sections',
    ]),
  );
  const text = image.relocations(image.section('.text.f')!);
  assert.equal(text.length, 1);
  assert.equal(image.symbols.at(text[0]!.symbolIndex).name, 'x');
  assert.equal(typeof text[0]!.offset, 'number');
  assert.deepEqual(image.relocations(image.section('.rela.text.f')!), text);
  assert.deepEqual(image.relocations(image.section('.comment')!), []);
});

test('memory is read as the loader would map it', () => {
  const image = ElfImage.parse(
    built('int zero[500]; int one[3] = { 7, 8, 9 }; int main(void) { return 0; }', ['-O1']),
  );
  const one = image.symbols.named('one')[0]!;
  const zero = image.symbols.named('zero')[0]!;
  assert.deepEqual([...image.readVaddr(one.value, one.size)], [7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0]);
  assert.ok(image.readVaddr(zero.value, zero.size).every((byte) => byte === 0));
  assert.equal(image.contents(image.sections.find(({ type }) => type === SHT_NOBITS)!).length, 0);
  assert.throws(() => image.readVaddr(vaddr(0x7000_0000_0000n), 1), failsWith('BAD_FORMAT'));
  assert.throws(() => image.readVaddr(one.value, 1 << 30), failsWith('BAD_FORMAT'));
  assert.throws(() => image.readVaddr(one.value, -1), failsWith('BAD_FORMAT'));
});

test('more sections than 16 bits count', () => {
  const sections = Array.from({ length: 66_000 }, (_, i) => `.section .t${i},"a"\n.byte 1\n`);
  const image = ElfImage.parse(
    built(`${sections.join('')}.globl last\nlast: .byte 2\n`, ['-c', '-x', 'assembler'], 's'),
  );
  assert.ok(image.sections.length > 66_000);
  const last = image.symbols.named('last')[0]!;
  assert.equal(image.sections[last.shndx]!.name, '.t65999');
  assert.equal(image.section('.t65999')!.index, last.shndx);
  assert.deepEqual([...image.contents(image.section('.t65999')!)], [1, 2]);
});

test('a static executable has no dynamic section', () => {
  const image = ElfImage.parse(
    built('int main(void) { return 0; }', ['-static', '-Wl,--build-id=0x0011aaff']),
  );
  assert.equal(image.dynamicSymbols.length, 0);
  assert.deepEqual(image.needed(), []);
  assert.equal(image.soname(), undefined);
  assert.equal(image.buildId(), '0011aaff');
  assert.equal(
    ElfImage.parse(built('int main(void) { return 0; }', ['-Wl,--build-id=none'])).buildId(),
    undefined,
  );
});

test('without section headers the dynamic section still leads to symbols, and notes to the build id', () => {
  const bytes = built('int f(void) { return 1; }', [
    '-shared',
    '-fPIC',
    '-Wl,--build-id=0x1234,-soname,libf.so.1',
  ]);
  const whole = ElfImage.parse(bytes);
  const stripped = new Uint8Array(bytes);
  const header = Ehdr.edit(new DataView(stripped.buffer), 0);
  header.shoff = 0n;
  header.shnum = 0;
  header.shstrndx = 0;
  const image = ElfImage.parse(stripped);
  assert.equal(image.sections.length, 0);
  assert.equal(image.symbols.length, 0);
  assert.equal(image.buildId(), '1234');
  assert.equal(image.soname(), 'libf.so.1');
  const defined = (of: ElfImage) =>
    [...of.dynamicSymbols].filter(({ shndx }) => shndx !== 0).map(({ name }) => name);
  assert.deepEqual(defined(image), defined(whole));
  assert.ok(defined(image).includes('f'));
});
