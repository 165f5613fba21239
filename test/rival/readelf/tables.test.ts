/** Sections, symbols, relocations, needed libraries and build ids, as readelf shows them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as C from '../../../src/elf/constants.ts';
import { ElfImage } from '../../../src/elf/image.ts';
import type { SymbolTable } from '../../../src/elf/symbols.ts';
import { readelf, realObjects, withCompiled } from './readelf.ts';

const TYPES: Record<number, string> = {
  [C.STT_NOTYPE]: 'NOTYPE',
  [C.STT_OBJECT]: 'OBJECT',
  [C.STT_FUNC]: 'FUNC',
  [C.STT_SECTION]: 'SECTION',
  [C.STT_FILE]: 'FILE',
  [C.STT_COMMON]: 'COMMON',
  [C.STT_TLS]: 'TLS',
  [C.STT_GNU_IFUNC]: 'IFUNC',
};
const BINDS: Record<number, string> = {
  [C.STB_LOCAL]: 'LOCAL',
  [C.STB_GLOBAL]: 'GLOBAL',
  [C.STB_WEAK]: 'WEAK',
  [C.STB_GNU_UNIQUE]: 'UNIQUE',
};
const VISIBILITIES = ['DEFAULT', 'INTERNAL', 'HIDDEN', 'PROTECTED'];
const INDICES: Record<number, string> = { [C.SHN_UNDEF]: 'UND', [C.SHN_ABS]: 'ABS', [C.SHN_COMMON]: 'COM' };

const words = (line: string): string[] => line.trim().split(/\s+/);
const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0');

/** Our symbols in the columns of `readelf -sW`. */
function symbolRows(image: ElfImage, table: SymbolTable): string[] {
  return Array.from(table, (symbol) => {
    const at = symbol.versionNeeded || symbol.versionHidden ? '@' : '@@';
    // A version's own symbol has the version's name; readelf does not repeat it.
    const { version } = symbol;
    const suffix = version === undefined || version === symbol.name ? '' : `${at}${version}`;
    // readelf names a section symbol after its section.
    const name = symbol.type === C.STT_SECTION ? image.sections[symbol.shndx]!.name : symbol.name;
    return [
      `${symbol.index}:`,
      hex(symbol.value, 16),
      symbol.size,
      TYPES[symbol.type],
      BINDS[symbol.bind],
      VISIBILITIES[symbol.visibility],
      INDICES[symbol.shndx] ?? symbol.shndx,
      ...(name === '' ? [] : [`${name}${suffix}`]),
    ].join(' ');
  });
}

/** The tables of `readelf -sW` by section name. */
function rivalSymbols(path: string): Map<string, string[]> {
  const tables = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of readelf('-sW', path)) {
    const title = /^Symbol table '(.*)' contains/.exec(line);
    if (title) {
      current = [];
      tables.set(title[1]!, current);
    } else if (/^ *\d+: /.test(line)) {
      const columns = words(line).filter((word) => !/^\(\d+\)$/.test(word));
      columns[2] = String(Number(columns[2]));
      current.push(columns.join(' '));
    }
  }
  return tables;
}

function compareTables(path: string, image: ElfImage): void {
  const rival = rivalSymbols(path);
  assert.deepEqual(symbolRows(image, image.symbols), rival.get('.symtab') ?? [], '.symtab');
  assert.deepEqual(symbolRows(image, image.dynamicSymbols), rival.get('.dynsym') ?? [], '.dynsym');
}

function compareSections(path: string, image: ElfImage): void {
  const rival = readelf('-SW', path).flatMap((line) => {
    const found =
      /^ {2}\[ *(\d+)\] (\S*) +\S+ +([0-9a-f]{16}) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) +([A-Za-z]*) +(\d+) +(\d+) +(\d+)$/.exec(
        line,
      );
    if (!found) return [];
    const [, index, name, address, offset, size, entry, , link, info, align] = found;
    return [[index, name, address, offset, size, entry, link, info, align].join(' ')];
  });
  const ours = image.sections.map((section) =>
    [
      section.index,
      section.name,
      hex(section.address, 16),
      hex(section.fileOffset, 6),
      hex(section.size, 6),
      hex(section.entrySize, 2),
      section.link,
      section.info,
      section.align,
    ].join(' '),
  );
  assert.equal(ours.length, image.sections.length);
  assert.deepEqual(ours, rival);
}

/** Offset and type code of `readelf -rW`, in its order. RELR is shown by another form. */
function compareRelocations(path: string, image: ElfImage): void {
  const rival = readelf('-rW', path)
    .map((line) => /^([0-9a-f]{16}) {2}([0-9a-f]{16}) /.exec(line))
    .flatMap((found) => (found ? [`${found[1]} ${found[2]}`] : []));
  const ours = image.sections
    .filter(({ type }) => type === C.SHT_RELA)
    .flatMap((section) => image.relocations(section))
    .map(
      ({ offset, type, symbolIndex }) =>
        `${hex(offset, 16)} ${hex((BigInt(symbolIndex) << 32n) | BigInt(type), 16)}`,
    );
  assert.deepEqual(ours, rival);
}

function compareDynamic(path: string, image: ElfImage): void {
  const lines = readelf('-dW', path);
  const named = (tag: string): string[] =>
    lines.flatMap((line) => new RegExp(`\\(${tag}\\).*\\[(.*)\\]`).exec(line)?.[1] ?? []);
  assert.deepEqual(image.needed(), named('NEEDED'));
  assert.equal(image.soname(), named('SONAME')[0]);
  const id = readelf('-nW', path).flatMap((line) => /Build ID: ([0-9a-f]+)/.exec(line)?.[1] ?? [])[0];
  assert.equal(image.buildId(), id);
}

function compare(path: string, bytes: Uint8Array): void {
  const image = ElfImage.parse(bytes, path);
  compareSections(path, image);
  compareTables(path, image);
  compareRelocations(path, image);
  compareDynamic(path, image);
}

for (const { path, bytes } of realObjects()) {
  test(`tables of ${path}`, () => compare(path, bytes));
}

const SOURCE = `
#include <stdio.h>
__thread int tls = 3;
static int local_counter;
int common_word;
__attribute__((weak)) int weak_function(void) { return 1; }
__attribute__((visibility("hidden"))) int hidden_function(int x) { return x + ++local_counter; }
static int chosen(void) { return 7; }
static void *resolve(void) { return chosen; }
int indirect(void) __attribute__((ifunc("resolve")));
int main(int argc, char **argv) {
  (void)argv;
  switch (argc) { case 1: puts("one"); break; case 2: puts("two"); break; case 3: puts("three"); break;
    case 4: puts("four"); break; case 5: puts("five"); break; case 6: puts("six"); break; }
  return hidden_function(argc) + weak_function() + tls + common_word + indirect();
}`;

for (const flags of [
  ['-O2', '-c', '-fcommon'],
  ['-O2', '-c', '-ffunction-sections', '-fdata-sections', '-g'],
  ['-O0', '-no-pie', '-Wl,--build-id'],
  ['-O2', '-pie', '-fPIE', '-Wl,--build-id,-z,now'],
  ['-O2', '-shared', '-fPIC', '-Wl,-soname,libx.so.1'],
  ['-O2', '-static', '-Wl,--build-id'],
]) {
  test(`tables of gcc ${flags.join(' ')}`, () => {
    withCompiled(SOURCE, flags, (path) => compare(path, readFileSync(path)));
  });
}

test('DT_RELR has the places that readelf lists', () => {
  withCompiled(
    'int v[64]; int *p[130] = { [0] = v, [5] = v + 1, [63] = v, [64] = v, [129] = v + 9 }; int main(void) { return **p; }',
    ['-pie', '-fPIE', '-Wl,-z,pack-relative-relocs'],
    (path) => {
      const image = ElfImage.parse(readFileSync(path), path);
      assert.ok(image.dynamic().has(C.DT_RELR), 'the linker packed relative relocations');
      const ours = image.dynamicRelocations().filter(({ symbol, plt }) => symbol === undefined && !plt);
      const table = image.section('p')?.address ?? image.symbols.named('p')[0]!.value;
      const v = image.symbols.named('v')[0]!.value;
      for (const [index, addend] of [
        [0, v],
        [5, v + 4n],
        [63, v],
        [64, v],
        [129, v + 36n],
      ] as const) {
        const found = ours.find(({ at }) => at === table + BigInt(index * 8));
        assert.equal(found?.addend, addend, `p[${index}]`);
      }
      const count = readelf('-rW', path).flatMap(
        (line) => /contains? \d+ entr\w+:|(\d+) offsets?/.exec(line)?.[1] ?? [],
      );
      if (count.length > 0) assert.equal(ours.length, Number(count[0]));
    },
  );
});
