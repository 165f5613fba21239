import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SutureError } from '../base/errors.ts';
import { vaddr } from '../bytes/address.ts';
import { SHN_XINDEX, STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_FILE, STT_FUNC, STT_OBJECT } from './constants.ts';
import { Sym } from './layout.ts';
import { encodeName } from './strings.ts';
import { SymbolTable } from './symbols.ts';

interface Given {
  name: string;
  value?: bigint;
  size?: bigint;
  type?: number;
  bind?: number;
  shndx?: number;
}

function table(given: readonly Given[], extendedIndices?: Uint8Array): SymbolTable {
  let names = '\0';
  const entries = given.map(
    ({ name, value = 0n, size = 0n, type = STT_FUNC, bind = STB_GLOBAL, shndx = 1 }) => {
      const at = name === '' ? 0 : names.length;
      if (name !== '') names += `${name}\0`;
      return [...Sym.make({ name: at, info: (bind << 4) | type, shndx, value, size })];
    },
  );
  return new SymbolTable({
    entries: Uint8Array.from(entries.flat()),
    strings: encodeName(names),
    extendedIndices,
    what: 'table',
  });
}

const isBadFormat = (error: unknown): boolean => error instanceof SutureError && error.code === 'BAD_FORMAT';

test('all symbols of a name are found in the order of the table', () => {
  const symbols = table([{ name: '' }, { name: 'x', value: 1n }, { name: 'y' }, { name: 'x', value: 3n }]);
  assert.deepEqual(
    symbols.named('x').map(({ index, value }) => [index, value]),
    [
      [1, 1n],
      [3, 3n],
    ],
  );
  assert.deepEqual(symbols.named('absent'), []);
  assert.deepEqual(
    symbols.named('').map(({ index }) => index),
    [0],
  );
});

test('names that end like others, or have bytes beyond ASCII, are told apart', () => {
  const symbols = table([{ name: 'foo_bar' }, { name: 'bar' }, { name: 'gr\u00fc\u00df' }]);
  assert.equal(symbols.named('bar')[0]?.index, 1);
  assert.equal(symbols.named('gr\u00fc\u00df')[0]?.index, 2);
});

test('symbolAt prefers the nearest start, then global to weak to local', () => {
  const symbols = table([
    { name: 'outer', value: 0x100n, size: 0x100n },
    { name: 'local', value: 0x140n, size: 0x10n, bind: STB_LOCAL },
    { name: 'weak', value: 0x140n, size: 0x10n, bind: STB_WEAK },
    { name: 'global', value: 0x140n, size: 0x10n },
    { name: 'object', value: 0x148n, size: 0x10n, type: STT_OBJECT },
    { name: 'sizeless', value: 0x180n },
    { name: 'undefined', value: 0x190n, size: 4n, shndx: 0 },
  ]);
  const at = (address: bigint) => {
    const found = symbols.symbolAt(vaddr(address));
    return found && `${found.symbol.name}+${found.offset}`;
  };
  assert.equal(at(0xffn), undefined);
  assert.equal(at(0x100n), 'outer+0');
  assert.equal(at(0x14fn), 'global+15');
  assert.equal(at(0x150n), 'outer+80', 'behind the inner function the outer one goes on');
  assert.equal(at(0x180n), 'sizeless+0');
  assert.equal(at(0x191n), 'outer+145');
  assert.equal(at(0x200n), undefined);
});

test('local symbols are grouped by the file entry before them', () => {
  const symbols = table([
    { name: '' },
    { name: 'crt', bind: STB_LOCAL },
    { name: 'a.c', type: STT_FILE, bind: STB_LOCAL },
    { name: 'counter', bind: STB_LOCAL },
    { name: 'b.c', type: STT_FILE, bind: STB_LOCAL },
    { name: 'counter', bind: STB_LOCAL },
    { name: 'main' },
  ]);
  assert.deepEqual(
    symbols.files().map(({ file, symbols: of }) => [file, of.map(({ index }) => index)]),
    [
      ['', [1]],
      ['a.c', [3]],
      ['b.c', [5]],
    ],
  );
});

test('extended section indices are resolved, or missed', () => {
  const extended = new Uint8Array(8);
  new DataView(extended.buffer).setUint32(4, 70_000, true);
  assert.equal(table([{ name: '' }, { name: 'x', shndx: SHN_XINDEX }], extended).at(1).shndx, 70_000);
  assert.throws(() => table([{ name: '' }, { name: 'x', shndx: SHN_XINDEX }]).at(1).shndx, isBadFormat);
});

test('what lies outside of the tables is one clear error', () => {
  const symbols = table([{ name: 'x' }]);
  assert.throws(() => symbols.at(1), isBadFormat);
  assert.throws(() => symbols.at(-1), isBadFormat);
  const bad = new SymbolTable({
    entries: Sym.make({ name: 99 }),
    strings: encodeName('\0x\0'),
    what: 'libx.so: .symtab',
  });
  assert.throws(() => bad.at(0).name, /libx\.so: \.symtab: the name at offset 99 of 3 does not end/);
  assert.throws(() => bad.named('x'), isBadFormat);
});

test('names that overlap beyond measure are refused instead of read for hours', () => {
  const strings = new Uint8Array(900_000).fill(0x61);
  strings[899_999] = 0;
  const count = 30_000;
  const entries = new Uint8Array(count * Sym.size);
  const view = new DataView(entries.buffer);
  for (let i = 0; i < count; i++) Sym.edit(view, i * Sym.size).name = i;
  const symbols = new SymbolTable({ entries, strings, what: 'table' });
  assert.throws(() => symbols.named('a'), /names overlap/);
});
