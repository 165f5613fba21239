import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { remote } from '../../bytes/address.ts';
import { ElfImage } from '../../elf/image.ts';
import { relocateSection } from '../../elf/relocate.ts';
import { x86_64 } from './index.ts';
import { jump } from './jump.ts';
import { link } from './link.ts';
import { R_X86_64, relocations } from './relocations.ts';

const store = (type: number, value: bigint): number[] | undefined => {
  const bytes = new Uint8Array(8);
  return relocations.get(type)!.store(new DataView(bytes.buffer), 0, value) ? [...bytes] : undefined;
};

test('a field refuses what it cannot hold', () => {
  const limits: [type: number, least: bigint, most: bigint][] = [
    [R_X86_64[32], 0n, 0xffff_ffffn],
    [R_X86_64['32S'], -0x8000_0000n, 0x7fff_ffffn],
    [R_X86_64.PC32, -0x8000_0000n, 0x7fff_ffffn],
    [R_X86_64.PC16, -0x8000n, 0x7fffn],
    [R_X86_64.PC8, -0x80n, 0x7fn],
    [R_X86_64[16], -0x8000n, 0xffffn],
    [R_X86_64[8], -0x80n, 0xffn],
  ];
  for (const [type, least, most] of limits) {
    const { name } = relocations.get(type)!;
    assert.ok(store(type, least) && store(type, most), name);
    assert.equal(store(type, least - 1n), undefined, name);
    assert.equal(store(type, most + 1n), undefined, name);
  }
});

test('a field that is a plain number is read as it was written', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...relocations.keys()),
      fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
      (type, value) => {
        const facts = relocations.get(type)!;
        const view = new DataView(new ArrayBuffer(8));
        if (facts.load === undefined || !facts.store(view, 0, value)) return;
        assert.equal(facts.load(view, 0), value);
      },
    ),
  );
});

test('the linker fills the same bytes', () => {
  const dir = mkdtempSync(join(tmpdir(), 'suture-reloc-'));
  try {
    writeFileSync(
      join(dir, 'a.s'),
      `.text
.globl _start
_start: call there
 lea word(%rip), %rax
 mov $word, %edi
 mov $word, %rsi
 cmpl $5, word+4(%rip)
 movabs $there, %rcx
 .data
word: .quad there, there - .
 .long there - ., word
 .short small
 .byte tiny
`,
    );
    writeFileSync(
      join(dir, 'b.s'),
      '.text\n.globl there, small, tiny\n.skip 77\nthere: ret\n small = 0x1234\n tiny = 0x7f\n',
    );
    const run = (...argv: string[]) => execFileSync(argv[0]!, argv.slice(1), { cwd: dir });
    run('as', '-o', 'a.o', 'a.s');
    run('as', '-o', 'b.o', 'b.s');
    run('ld', '-Ttext=0x401000', '-Tdata=0x405000', '-o', 'linked', 'a.o', 'b.o');
    const object = ElfImage.parse(readFileSync(join(dir, 'a.o')));
    const linked = ElfImage.parse(readFileSync(join(dir, 'linked')));
    const address = (name: string): bigint => linked.symbols.named(name)[0]!.value;
    for (const name of ['.text', '.data']) {
      const section = object.section(name)!;
      const bytes = object.contents(section).slice();
      const placed = linked.section(name)!;
      const entries = object
        .relocations(section)
        .map(({ symbolIndex, ...rest }) => ({ ...rest, symbol: symbolIndex }));
      assert.ok(entries.length > 3);
      relocateSection(x86_64, { name, relocations: entries }, bytes, {
        place: placed.address,
        got: 0n,
        nameOf: ({ symbol }) => String(symbol),
        valueOf: ({ symbol }) => {
          const { name: target, shndx } = object.symbols.at(symbol);
          return target === '' ? linked.section(object.sections[shndx]!.name)!.address : address(target);
        },
      });
      assert.deepEqual([...bytes], [...linked.contents(placed).subarray(0, bytes.length)], name);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('a value that does not fit names section, offset, type and symbol', () => {
  assert.throws(
    () =>
      relocateSection(
        x86_64,
        { name: '.kpatch.text', relocations: [{ offset: 1, type: R_X86_64.PC32, symbol: 3, addend: -4n }] },
        new Uint8Array(8),
        { place: 0x7f0000000000n, got: 0n, valueOf: () => 0x1000n, nameOf: () => 'memcpy' },
      ),
    /R_X86_64_PC32 at \.kpatch\.text\+0x1 to memcpy does not fit/,
  );
});

test('a redirect leads where it was told, or is none', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 1n << 47n }),
      fc.bigInt({ min: -(1n << 33n), max: 1n << 33n }),
      (at, distance) => {
        const from = remote(at);
        const to = remote(at + distance);
        const code = jump.encode(from, to);
        if (code === undefined) {
          const counted = distance - BigInt(jump.size);
          assert.ok(BigInt.asIntN(32, counted) !== counted);
          return;
        }
        assert.equal(code.length, jump.size);
        assert.equal(jump.decode(code, from), to);
      },
    ),
  );
  assert.ok(jump.encode(remote(1n << 40n), remote((1n << 40n) + jump.reach)));
  assert.ok(jump.encode(remote(1n << 40n), remote((1n << 40n) - jump.reach)));
});

test('the filler of gas is filler, code is not', () => {
  const dir = mkdtempSync(join(tmpdir(), 'suture-pad-'));
  try {
    for (let size = 1; size < 32; size++) {
      writeFileSync(join(dir, 'a.s'), `.skip ${32 - size}, 0xc3\n.p2align 5\nret\n`);
      execFileSync('as', ['-o', 'a.o', 'a.s'], { cwd: dir });
      const object = ElfImage.parse(readFileSync(join(dir, 'a.o')));
      const text = object.contents(object.section('.text')!);
      assert.ok(jump.isPadding(text.subarray(32 - size, 32)), `${size} bytes`);
      assert.ok(!jump.isPadding(text.subarray(31 - size, 32)), `ret and ${size} bytes`);
    }
    assert.ok(jump.isPadding(new Uint8Array(9).fill(0xcc)));
    assert.ok(!jump.isPadding(new Uint8Array(4)));
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('a stub jumps through its word', () => {
  const at = remote(0x7f00_0000_1000n);
  const code = link.stub.encode(at, remote(0x7f00_0000_2000n))!;
  assert.deepEqual([...code], [0xff, 0x25, 0xfa, 0x0f, 0, 0, 0xcc, 0xcc]);
  assert.equal(link.stub.encode(at, remote(0x7e00_0000_0000n)), undefined);
});
