import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ElfImage } from '../../elf/image.ts';
import { unwind } from './unwind.ts';

const OPERANDS = [
  '%rax',
  '%r11',
  '(%rax)',
  '(%rsp)',
  '(%rbp)',
  '(%r12)',
  '(%r13)',
  '8(%rax)',
  '8(%rsp)',
  '0x1234(%rbx)',
];
const INDEXED = [
  '(%rax,%rbx,8)',
  '8(%r8,%r9,2)',
  '0x1234(%rbp,%rax)',
  '0x1000(,%rax,8)',
  'x(%rip)',
  '0x1000',
  '%fs:0x10',
];
const CALLS = [
  'call x',
  'addr32 call x',
  ...[...OPERANDS, ...INDEXED].map((operand) => `call *${operand}`),
  'notrack call *%rax',
];

/** Machine code of each instruction, as the assembler writes it. */
function assembled(instructions: readonly string[]): Uint8Array[] {
  const folder = mkdtempSync(join(tmpdir(), 'suture-calls-'));
  try {
    const sections = instructions.map((text, i) => `.section .t${i},"ax"\n${text}\n`);
    writeFileSync(join(folder, 'x.s'), sections.join(''));
    const ended = spawnSync('as', ['x.s', '-o', 'x.o'], { encoding: 'utf8', cwd: folder });
    assert.equal(ended.status, 0, ended.stderr);
    const image = ElfImage.parse(readFileSync(join(folder, 'x.o')));
    return instructions.map((_, i) => image.contents(image.section(`.t${i}`)!));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('a return address is known by every form of call before it', () => {
  for (const [i, code] of assembled(CALLS).entries()) {
    assert.equal(unwind.endsWithCall(code), true, CALLS[i]);
    assert.equal(
      unwind.endsWithCall(Uint8Array.from([...new Array(16).fill(0x90), ...code])),
      true,
      CALLS[i],
    );
  }
});

test('what is no call is not taken for one', () => {
  const others = [
    'jmp *%rax',
    'push %rax',
    'incl (%rax)',
    'ret',
    'mov %rax,%rbx',
    'jmp *x(%rip)',
    'push 8(%rax)',
  ];
  for (const [i, code] of assembled(others).entries()) {
    assert.equal(
      unwind.endsWithCall(Uint8Array.from([...new Array(16).fill(0x90), ...code])),
      false,
      others[i],
    );
  }
  assert.equal(unwind.endsWithCall(new Uint8Array(0)), false);
  assert.equal(unwind.endsWithCall(Uint8Array.of(0xff)), false);
});

test('the code that libcs return from signal handlers by', () => {
  const restorers = assembled([
    'mov $15,%rax\nsyscall',
    'mov $15,%eax\nsyscall',
    'mov $14,%eax\nsyscall',
    'syscall',
  ]);
  assert.deepEqual(
    restorers.map((code) => unwind.isSignalTrampoline(code)),
    [true, true, false, false],
  );
  assert.equal(unwind.isSignalTrampoline(restorers[0]!.subarray(0, 8)), false);
});

test('behind the system call of clone, the caller has a leaf’s frame and the child has none', () => {
  const code = Uint8Array.of(...[0x48, 0x85, 0xc0], ...[0x7c, 0x18], ...[0x74, 0x01], 0xc3, 0x31, 0xed);
  const far = Uint8Array.of(...[0x48, 0x85, 0xc0], ...[0x0f, 0x8c, 1, 0, 0, 0], ...[0x74, 0x01], 0xc3);
  const result = (value: bigint) => (number: number) => (number === 0 ? value : 77n);
  for (const bytes of [code, far]) {
    assert.equal(unwind.afterClone?.(bytes, result(0n)), 'child');
    assert.equal(unwind.afterClone?.(bytes, result(4242n)), 'caller');
    assert.equal(unwind.afterClone?.(bytes, result(-38n)), 'caller');
  }
  assert.equal(unwind.afterClone?.(code.subarray(1), result(0n)), undefined);
  assert.equal(unwind.afterClone?.(code.subarray(0, 7), result(0n)), undefined);
});
