import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { x86_64 } from '../arch/x86_64/index.ts';
import { SutureError } from '../base/errors.ts';
import { vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { ElfImage } from '../elf/image.ts';
import { HEADER_SIZE, PatchHeader, PatchRecord } from './layout.ts';
import type { PatchContents } from './patch.ts';
import { readPatch } from './reader.ts';
import { writePatch } from './writer.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

const specimen: PatchContents = {
  arch: x86_64,
  manifest: {
    format: 1,
    id: 'CVE-2024-1',
    description: 'a bound is checked\nbefore the copy – not after',
    cpu: 'x86_64',
    target: { buildId: '0123456789abcdef0123456789abcdef01234567', file: 'served', type: 'executable' },
    functions: [
      {
        name: 'parse',
        kind: 'changed',
        unit: 'src/parse.c',
        reason: 'its code differs',
        original: {
          address: '0x1200',
          size: 64,
          entryBytes: 'f30f1efa554889e5534883ec18488b05',
          redirectOffset: 4,
          parts: [{ address: '0x1010', size: 8 }],
        },
        replacement: { offset: 0, size: 32 },
        replacementParts: [{ offset: 48, size: 8 }],
      },
      {
        name: 'bounded',
        kind: 'new',
        unit: 'src/parse.c',
        reason: 'new',
        replacement: { offset: 32, size: 16 },
        replacementParts: [],
      },
    ],
    variables: [{ name: 'limit', kind: 'new', unit: 'src/parse.c', size: 8 }],
    imports: [
      {
        name: 'memcpy',
        version: 'GLIBC_2.14',
        type: 'function',
        weak: false,
        slot: { address: '0x3018', kind: 'jump-slot' },
      },
      { name: 'errno', type: 'tls', weak: true },
    ],
    requires: ['CVE-2023-9'],
    compiler: 'gcc 12.2.0',
    warnings: [],
  },
  sections: [
    {
      name: '.kpatch.text',
      kind: 'text',
      bytes: new Uint8Array(64).fill(0x90),
      size: 64,
      align: 16,
      relocations: [
        { offset: 4, type: 4, symbol: 4, addend: -4n },
        { offset: 8, type: 2, symbol: 2, addend: -4n },
        { offset: 16, type: 2, symbol: 3, addend: -4n },
        { offset: 24, type: 22, symbol: 5, addend: -4n },
        { offset: 32, type: 22, symbol: 6, addend: -4n },
      ],
    },
    {
      name: '.kpatch.data',
      kind: 'data',
      bytes: new Uint8Array(8).fill(1),
      size: 8,
      align: 8,
      relocations: [{ offset: 0, type: 1, symbol: 1, addend: 0n }],
    },
    { name: '.kpatch.bss', kind: 'bss', bytes: new Uint8Array(0), size: 4096, align: 32, relocations: [] },
    { name: '.kpatch.rodata', kind: 'rodata', bytes: new Uint8Array(5), size: 5, align: 1, relocations: [] },
  ],
  symbols: [
    { kind: 'none', name: '' },
    { kind: 'section', name: 'parse.kpatch', section: 0, offset: 0, size: 32, symbolType: 'function' },
    { kind: 'section', name: 'limit', section: 1, offset: 0, size: 8, symbolType: 'object' },
    { kind: 'base', name: 'table', address: vaddr(0x4010n), symbolType: 'object' },
    { kind: 'import', name: 'memcpy', importIndex: 0 },
    { kind: 'import', name: 'errno', importIndex: 1 },
    { kind: 'tls-base', name: 'depth', offset: 8n },
  ],
  baseSections: [
    { name: '.text', address: vaddr(0x1000n), size: 0x800, align: 16, flags: 6 },
    { name: '.tbss', address: vaddr(0x3000n), size: 16, align: 8, flags: 0x403 },
    { name: '.data', address: vaddr(0x4000n), size: 0x100, align: 32, flags: 3 },
    { name: '.bss', address: vaddr(0x4100n), size: 0x100, align: 32, flags: 3 },
  ],
};

const file = writePatch(specimen, sha256);

function digestOf(bytes: Uint8Array): Uint8Array {
  for (let at = HEADER_SIZE; at + 32 <= bytes.length; at++) {
    const copy = bytes.slice();
    copy.fill(0, at, at + 32);
    const digest = sha256(copy);
    if (digest.every((byte, i) => byte === bytes[at + i])) return digest;
  }
  throw new Error('no digest found');
}
const sealAt = Buffer.from(file).indexOf(digestOf(file));
/** The file with its digest made right again, so that what lies behind the check is reached. */
const seal = (bytes: Uint8Array): Uint8Array => {
  const copy = bytes.slice();
  if (sealAt + 32 <= copy.length) {
    copy.fill(0, sealAt, sealAt + 32);
    copy.set(sha256(copy), sealAt);
  }
  return copy;
};

const isRefusal = (error: unknown): boolean => error instanceof SutureError && error.code === 'BAD_PATCH';

test('what is written is read back', () => {
  const patch = readPatch(file, sha256, 'specimen');
  assert.equal(patch.origin, 'suture');
  assert.deepEqual(patch.manifest, specimen.manifest);
  const byName = (name: string) => patch.sections.find((section) => section.name === name);
  for (const section of specimen.sections) {
    const found = byName(section.name);
    assert.ok(found);
    assert.deepEqual(
      { ...found, relocations: found.relocations.length, bytes: Buffer.from(found.bytes).toString('hex') },
      {
        ...section,
        relocations: section.relocations.length,
        bytes: Buffer.from(section.bytes).toString('hex'),
      },
    );
    found.relocations.forEach((relocation, i) => {
      const wanted = section.relocations[i]!;
      assert.deepEqual({ ...relocation, symbol: 0 }, { ...wanted, symbol: 0 });
      const symbol = patch.symbols[relocation.symbol]!;
      const wantedSymbol = specimen.symbols[wanted.symbol]!;
      assert.equal(symbol.name, wantedSymbol.name);
      assert.equal(symbol.kind, wantedSymbol.kind);
      if (symbol.kind === 'base' && wantedSymbol.kind === 'base')
        assert.equal(symbol.address, wantedSymbol.address);
      if (symbol.kind === 'section' && wantedSymbol.kind === 'section') {
        assert.equal(patch.sections[symbol.section]!.name, specimen.sections[wantedSymbol.section]!.name);
        assert.equal(symbol.offset, wantedSymbol.offset);
      }
    });
  }
});

test('writing is deterministic, and a patch read is a patch to write', () => {
  assert.deepEqual(writePatch(specimen, sha256), file);
  const again = readPatch(writePatch(readPatch(file, sha256, 'specimen'), sha256), sha256, 'again');
  assert.deepEqual(again.manifest, specimen.manifest);
});

test('readelf finds nothing to warn of in the ELF part', () => {
  const dir = mkdtempSync(join(tmpdir(), 'suture-patch-'));
  try {
    writeFileSync(join(dir, 'elf'), file.subarray(HEADER_SIZE));
    const out = execFileSync('sh', ['-c', 'readelf -a -W elf 2>&1'], { cwd: dir, encoding: 'utf8' });
    assert.doesNotMatch(out, /warning|error/i);
    assert.match(out, /\.kpatch\.text\s+PROGBITS/);
    assert.match(out, /R_X86_64_PLT32\s+0+ memcpy - 4/);
    assert.match(out, /\.bss\s+NOBITS|\.data\s+NOBITS\s+0+4000/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('a changed byte anywhere is refused by the digest', () => {
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const copy = file.slice();
      copy[at] = copy[at]! ^ flip;
      assert.throws(() => readPatch(copy, sha256, 'changed'), isRefusal);
    }),
    { numRuns: 300 },
  );
});

test('a truncated file is refused', () => {
  for (let size = 0; size < file.length; size += 13) {
    assert.throws(() => readPatch(file.subarray(0, size), sha256, 'truncated'), isRefusal);
  }
});

test('hostile bytes under a right digest give a patch within its bounds, or BAD_PATCH', () => {
  const interesting = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }));
  const change = fc.record({
    at: fc.nat(file.length - 1),
    bytes: fc.array(interesting, { minLength: 1, maxLength: 8 }),
  });
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const copy = file.slice();
      for (const { at, bytes } of changes) copy.set(bytes.slice(0, copy.length - at), at);
      try {
        const patch = readPatch(seal(copy), sha256, 'hostile');
        accepted++;
        for (const { bytes, size, relocations, kind } of patch.sections) {
          assert.ok(size <= 1 << 30 && (kind === 'bss' || bytes.length === size));
          for (const { offset, type, symbol } of relocations) {
            assert.ok(offset >= 0 && offset + patch.arch.relocations.get(type)!.size <= size);
            assert.ok(patch.symbols[symbol] !== undefined);
          }
        }
        for (const symbol of patch.symbols) {
          if (symbol.kind === 'section') assert.ok(symbol.offset <= patch.sections[symbol.section]!.size);
          if (symbol.kind === 'import') assert.ok(patch.manifest.imports[symbol.importIndex] !== undefined);
        }
      } catch (error) {
        if (!isRefusal(error)) throw error;
      }
    }),
    { numRuns: 4000 },
  );
  // Contents of code and names may be anything: some changes must pass, or the test reaches nothing.
  assert.ok(accepted > 0);
});

/** The same sections under names that mean nothing to us: what is left is what LibcarePlus writes. */
function foreignFile(): Uint8Array {
  const foreign = file.slice();
  const text = Buffer.from(foreign.buffer, foreign.byteOffset, foreign.length);
  for (const name of ['.suture.manifest', '.suture.digest']) {
    text.write('.comment'.padEnd(name.length, 'x'), text.lastIndexOf(`${name}\0`), 'latin1');
  }
  PatchHeader.edit(viewOf(foreign), 0).id = 'fix-7';
  // Its references to thread-local variables name the GOT slot in the addend.
  const relocation = findRelocation(foreign, 22);
  viewOf(foreign).setBigInt64(relocation + 16, 0x4020n, true);
  viewOf(foreign).setBigInt64(findRelocation(foreign, 22, relocation + 24) + 16, 0x4028n, true);
  return foreign;
}

test('a file of LibcarePlus is one without our sections', () => {
  const foreign = foreignFile();
  const patch = readPatch(foreign, sha256, 'foreign');
  assert.equal(patch.origin, 'libcareplus');
  assert.equal(patch.manifest.id, 'fix-7');
  assert.deepEqual(
    patch.manifest.functions.map(({ name, kind, original }) => [
      name,
      kind,
      original?.address,
      original?.size,
    ]),
    [
      // Behind the landing pad, where the redirect goes.
      ['parse', 'changed', '0x1204', 60],
      ['bounded', 'new', undefined, undefined],
    ],
  );
  assert.deepEqual(
    patch.manifest.imports.map(({ name }) => name),
    ['memcpy', 'errno'],
  );
  const code = patch.sections.find(({ name }) => name === '.kpatch.text')!;
  const slots = code.relocations
    .slice(3)
    .map(({ type, symbol, addend }) => ({ type, addend, ...patch.symbols[symbol]! }));
  assert.deepEqual(
    slots.map((slot) => [slot.type, slot.addend, slot.kind, slot.kind === 'base' ? slot.address : undefined]),
    [
      [2, -4n, 'base', 0x4020n],
      [2, -4n, 'base', 0x4028n],
    ],
  );
});

function findRelocation(bytes: Uint8Array, type: number, from = HEADER_SIZE): number {
  const view = viewOf(bytes);
  for (let at = (from + 7) & ~7; at + 24 <= bytes.length; at += 8) {
    if (view.getUint32(at + 8, true) === type && view.getBigInt64(at + 16, true) === -4n) return at;
  }
  throw new Error('no such relocation');
}

test('an original outside of the address space is refused', () => {
  const elf = ElfImage.parse(file.subarray(HEADER_SIZE));
  const relocations = elf.section('.rela.kpatch.info')!;
  const foreign = foreignFile();
  const view = viewOf(foreign);
  for (let at = HEADER_SIZE + relocations.fileOffset, end = at + relocations.size; at < end; at += 24) {
    const isOriginal = view.getBigUint64(at, true) % BigInt(PatchRecord.size) === 0n;
    if (isOriginal) view.setBigInt64(at + 16, -0x7000_0000_0000_0000n, true);
  }
  assert.throws(() => readPatch(foreign, sha256, 'foreign'), isRefusal);
});
