/** Files put together byte by byte from the documented offsets, of every CPU: read, and each part of them broken. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arches } from '../../src/arch/index.ts';
import { SutureError } from '../../src/base/errors.ts';
import { readPatch } from '../../src/patch/reader.ts';
import { sha256 } from '../../src/store/catalogue.ts';
import { HEADER, RECORD } from './foreign-file.ts';
import { BUILD_ID, handmade, INDEX, ORIGINAL, placeOf, TYPES } from './handmade.ts';

for (const arch of arches) {
  test(`${arch.name}: header, records, relocations and symbols mean what they should`, () => {
    const { absolute64, call } = TYPES[arch.elfMachine]!;
    const { manifest, sections, symbols, origin } = readPatch(handmade(arch.elfMachine), sha256, 'handmade');
    assert.equal(origin, 'libcareplus');
    assert.deepEqual([manifest.id, manifest.target.buildId, manifest.cpu], ['0001', BUILD_ID, arch.name]);
    assert.deepEqual(
      manifest.functions.map(({ name, kind, original, replacement }) => [
        name,
        kind,
        original?.address,
        original?.size,
        replacement,
      ]),
      [
        [
          'f',
          'changed',
          `0x${(ORIGINAL.address + BigInt(ORIGINAL.function)).toString(16)}`,
          32,
          { offset: 0, size: 32 },
        ],
        ['helper', 'new', undefined, undefined, { offset: 32, size: 16 }],
      ],
    );
    assert.deepEqual(manifest.imports, [
      { name: 'puts', version: 'GLIBC_2.2.5', type: 'function', weak: false },
    ]);
    const [text, data] = sections;
    assert.deepEqual(
      text?.relocations.map(({ offset, type, symbol }) => [offset, type, symbols[symbol]?.name]),
      [
        [8, call, 'puts@GLIBC_2.2.5'],
        [24, absolute64, 'count'],
      ],
    );
    assert.equal(data?.align, 4096, 'a page of another kernel is no alignment that code relies on');
  });
}

/** What is broken, how, and a word of the message. */
const FAULTS: [
  what: string,
  change: (file: Uint8Array, view: DataView) => Uint8Array | undefined,
  says: RegExp,
][] = [
  ['an empty file', () => new Uint8Array(0), /0 bytes are too few/],
  ['a header alone', (file) => file.slice(0, HEADER.size), /truncated/],
  ['another magic', (file) => void file.set(Buffer.from('KPATCH2'), 0), /does not start with "KPATCH1"/],
  ['half of the file', (file) => file.slice(0, file.length >> 1), /truncated/],
  [
    'an ELF part elsewhere',
    (_, view) => void view.setUint32(HEADER.elfOffset, 1024, true),
    /ELF part is at 1024/,
  ],
  ['no build id', (file) => void file.fill(0, HEADER.buildId, HEADER.buildId + 41), /no build id/],
  ['no id', (file) => void file.fill(0, HEADER.id, HEADER.id + 8), /no id/],
  ['no ELF magic', (file) => void file.fill(0, HEADER.size, HEADER.size + 4), /no ELF file/],
  ['an executable', (_, view) => void view.setUint16(HEADER.size + 16, 2, true), /relocatable/],
  ['another CPU', (_, view) => void view.setUint16(HEADER.size + 18, 243, true), /not known here/],
  [
    'sections outside of the file',
    (_, view) => void view.setBigUint64(HEADER.size + 40, 1n << 40n, true),
    /outside of the file/,
  ],
  [
    'a symbol that does not exist',
    (file, view) => void view.setUint32(placeOf(file, INDEX.textRelocations).contents + 12, 99, true),
    /names symbol 99/,
  ],
  [
    'a relocation outside of its section',
    (file, view) => void view.setBigUint64(placeOf(file, INDEX.textRelocations).contents, 47n, true),
    /outside of the section/,
  ],
  [
    'an unknown relocation',
    (file, view) => void view.setUint32(placeOf(file, INDEX.textRelocations).contents + 8, 4000, true),
    /unknown type 4000/,
  ],
  [
    'a record of a function outside of the base',
    (file, view) =>
      void view.setBigInt64(placeOf(file, INDEX.recordRelocations).contents + 16, 1n << 30n, true),
    /does not lie in code of the base/,
  ],
  [
    'a new body that is too long',
    (file, view) =>
      void view.setUint32(placeOf(file, INDEX.records).contents + RECORD.replacementSize, 4096, true),
    /does not lie in \.kpatch\.text/,
  ],
  [
    'a record without its new body',
    (file, view) => void view.setUint32(placeOf(file, INDEX.recordRelocations).contents + 24 + 8, 0, true),
    /has no new code/,
  ],
  [
    'a name outside of the table',
    (file, view) =>
      void view.setBigInt64(placeOf(file, INDEX.recordRelocations).contents + 2 * 24 + 16, 500n, true),
    /outside of the table/,
  ],
];

for (const [what, change, says] of FAULTS) {
  test(`${what}: one clear error`, () => {
    const file = handmade(62);
    const broken = change(file, new DataView(file.buffer)) ?? file;
    assert.throws(
      () => readPatch(broken, sha256, 'broken.kpatch'),
      (error: unknown) => {
        assert.ok(error instanceof SutureError);
        assert.equal(error.code, 'BAD_PATCH');
        assert.match(error.message, says);
        assert.deepEqual(error.context, ['reading broken.kpatch']);
        return true;
      },
    );
  });
}
