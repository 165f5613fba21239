import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { plus, type Remote, remote } from '../../bytes/address.ts';
import { viewOf } from '../../bytes/record.ts';
import { SHT_RELA } from '../../elf/constants.ts';
import { ElfImage } from '../../elf/image.ts';
import { relocate } from '../../elf/relocate.ts';
import { jump } from './jump.ts';
import { link } from './link.ts';
import { R_AARCH64, relocations } from './relocations.ts';

/** Assembles and links for aarch64; the sections stand at fixed addresses, far apart. */
function linked(sources: Readonly<Record<string, string>>): { objects: ElfImage[]; program: ElfImage } {
  const dir = mkdtempSync(join(tmpdir(), 'suture-a64-'));
  const run = (...argv: string[]) => execFileSync(argv[0]!, argv.slice(1), { cwd: dir });
  const parse = (file: string) => ElfImage.parse(readFileSync(join(dir, file)), file);
  try {
    const files = Object.entries(sources).map(([name, text]) => {
      writeFileSync(join(dir, `${name}.s`), text);
      run('aarch64-linux-gnu-as', '-o', `${name}.o`, `${name}.s`);
      return `${name}.o`;
    });
    run('aarch64-linux-gnu-ld', '-Ttext=0x410000', '-Tdata=0x2345670', '-o', 'program', ...files);
    return { objects: files.map(parse), program: parse('program') };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('the linker fills the same bits', () => {
  const { objects, program } = linked({
    a: `.text
.globl _start
_start: bl there
 b there
 b.eq near
 cbz x3, near
 tbnz x4, #33, near
 adr x5, near
 ldr x6, near
 adrp x0, word+4660
 add x0, x0, :lo12:word+4660
 ldrb w1, [x0, :lo12:word+1]
 ldrh w1, [x0, :lo12:word+2]
 str w1, [x0, :lo12:word+4]
 ldr x1, [x0, :lo12:word+8]
 ldr q1, [x0, :lo12:word+16]
 movz x2, #:abs_g0_nc:word
 movk x2, #:abs_g1_nc:word
 movk x2, #:abs_g2_nc:word
 movk x2, #:abs_g3:word
 movz x2, #:abs_g0_s:small
 movz x2, #:abs_g0_s:minus
 movz x2, #:abs_g1_s:minus
 mrs x7, tpidr_el0
 add x7, x7, #:tprel_hi12:mine, lsl #12
 add x7, x7, #:tprel_lo12_nc:mine
 ldr w8, [x7, #:tprel_lo12_nc:mine]
 movz x9, #:tprel_g1:mine
 movk x9, #:tprel_g0_nc:mine
.section .data
 .balign 16
word: .xword there, there - .
 .word there - ., small
 .hword small
`,
    b: `.text
 .skip 76
near: ret
.globl there, near, small, minus
there: ret
small = 0x1234
minus = -77
.section .tdata,"awT",@progbits
 .skip 0x5008
.globl mine
mine: .word 5
.type mine, @object
`,
  });
  const [object] = objects;
  assert.ok(object !== undefined);
  const thread = program.segments.find(({ type }) => type === 7)!;
  const addressOf = (index: number, isThread: boolean): bigint => {
    const { name, shndx, value } = object.symbols.at(index);
    const found = name === '' ? undefined : program.symbols.named(name)[0];
    if (found === undefined) return program.section(object.sections[shndx]!.name)!.address + value;
    if (!isThread) return found.value;
    return link.threadPointerOffset(
      { memSize: BigInt(thread.memSize), align: BigInt(thread.align) },
      found.value,
    );
  };
  let count = 0;
  for (const name of ['.text', '.data']) {
    const placed = program.section(name)!;
    const bytes = object.contents(object.section(name)!).slice();
    for (const { offset, type, symbolIndex, addend } of object.relocations(object.section(name)!)) {
      const facts = relocations.get(type);
      assert.ok(facts !== undefined, `type ${type}`);
      const at: number = Number(offset);
      const place = placed.address + BigInt(at);
      const value = addressOf(symbolIndex, facts.reference === 'tls-tpoff');
      assert.ok(relocate(viewOf(bytes), at, facts, { value, addend, place, got: 0n }), facts.name);
      const field = (from: Uint8Array): number[] => [...from.subarray(at, at + facts.size)];
      assert.deepEqual(field(bytes), field(program.contents(placed)), `${facts.name} at ${name}+${at}`);
      count++;
    }
    assert.deepEqual([...bytes], [...program.contents(placed).subarray(0, bytes.length)], name);
  }
  assert.equal(count, 31);
  assert.ok(object.sections.some(({ type }) => type === SHT_RELA));
});

test('an instruction refuses what it cannot hold, and keeps its other bits', () => {
  const limits: [type: number, least: bigint, most: bigint, step: bigint][] = [
    [R_AARCH64.CALL26, -(1n << 27n), (1n << 27n) - 4n, 4n],
    [R_AARCH64.JUMP26, -(1n << 27n), (1n << 27n) - 4n, 4n],
    [R_AARCH64.CONDBR19, -(1n << 20n), (1n << 20n) - 4n, 4n],
    [R_AARCH64.TSTBR14, -(1n << 15n), (1n << 15n) - 4n, 4n],
    [R_AARCH64.ADR_PREL_LO21, -(1n << 20n), (1n << 20n) - 1n, 1n],
    [R_AARCH64.ADR_PREL_PG_HI21, -(1n << 32n), (1n << 32n) - 4096n, 4096n],
    [R_AARCH64.PREL32, -(1n << 31n), (1n << 32n) - 1n, 1n],
    [R_AARCH64.MOVW_UABS_G1, 0n, (1n << 32n) - 1n, 1n],
  ];
  for (const [type, least, most, step] of limits) {
    const facts = relocations.get(type)!;
    const store = (value: bigint) => facts.store(new DataView(new ArrayBuffer(8)), 0, value);
    assert.ok(store(least) && store(most), facts.name);
    assert.ok(!store(least - step) && !store(most + step), facts.name);
  }
  const word = relocations.get(R_AARCH64.LDST64_ABS_LO12_NC)!;
  assert.ok(!word.store(new DataView(new ArrayBuffer(4)), 0, 4n), 'a load of 8 bytes at offset 4');
});

test('a redirect leads where it was told, or is none', () => {
  const page = fc.bigInt({ min: 0n, max: 1n << 45n }).map((value) => remote(value * 4n));
  const words = fc.bigInt({ min: -(1n << 26n), max: 1n << 26n });
  fc.assert(
    fc.property(page, words, (from: Remote, by) => {
      const to = remote(from + by * 4n);
      const code = jump.encode(from, to);
      // The branch is the second word.
      if (code === undefined) assert.ok(BigInt.asIntN(26, by - 1n) !== by - 1n);
      else assert.equal(jump.decode(code, from), to);
    }),
  );
});

test('a redirect takes the room that there is', () => {
  const from = remote(0x40_0000n);
  const words = (code: Uint8Array) =>
    Array.from({ length: code.length / 4 }, (_, i) =>
      viewOf(code)
        .getUint32(4 * i, true)
        .toString(16),
    );
  // bti c; b .+0x1000 from where it stands itself
  assert.deepEqual(words(jump.encode(from, plus(from, 0x1004), jump.sizeIn(12))!), ['d503245f', '14000400']);
  assert.deepEqual(words(jump.encode(from, plus(from, 0x1000), jump.sizeIn(4))!), ['14000400']);
  // What follows a function of one instruction is not looked at.
  const long = jump.encode(from, plus(from, 0x1004))!;
  assert.equal(jump.decode(long.subarray(0, 4), from), undefined);
  assert.equal(jump.sizeIn(3), 0);
});

test('a stub loads its word and jumps', () => {
  const at = remote(0x7f00_0000_1000n);
  const code = viewOf(link.stub.encode(at, remote(0x7f00_0012_3458n))!);
  // adrp x16, .+0x122000; ldr x16, [x16, #0x458]; br x16; nop
  const words = [0, 4, 8, 12].map((offset) => code.getUint32(offset, true).toString(16));
  assert.deepEqual(words, ['d0000910', 'f9422e10', 'd61f0200', 'd503201f']);
  assert.equal(link.stub.encode(at, remote(0x7000_0000_0000n)), undefined);
});
