import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDisassembly } from './disassembly.ts';

const BASE = `
prog:     file format elf64-x86-64

Disassembly of section .text:

0000000000001120 <f>:
    1120:\tmov    0x2eda(%rip),%eax        # 4000 <limit>
    1126:\tcmp    %eax,%edi
    1128:\tjg     1130 <f+0x10>
    112a:\tcall   1030 <puts@plt>
    112f:\tret
    1130:\tjmp    1120 <f>
`;

const PATCH = `
patch.o:     file format elf64-x86-64

Disassembly of section .kpatch.text:

0000000000000040 <f.kpatch>:
  40:\tmov    0x0(%rip),%eax        # 46 <f.kpatch+0x6>
\t\t\t42: R_X86_64_PC32\tlimit-0x4
  46:\tcmp    %eax,%edi
  48:\tjge    50 <f.kpatch+0x10>
  4a:\tcall   4f <f.kpatch+0xf>
\t\t\t4b: R_X86_64_PLT32\tputs-0x4
  4f:\tret
  50:\tjmp    55 <f.kpatch+0x15>
\t\t\t51: R_X86_64_PLT32\tf-0x4
`;

test('code of a base and of a patch is the same but for what differs', () => {
  const before = readDisassembly(BASE, 0x1120, 0x15);
  const after = readDisassembly(PATCH, 0x40, 0x15);
  assert.deepEqual(
    before.map(({ key }) => key),
    ['mov (%rip),%eax <limit>', 'cmp %eax,%edi', 'jg', 'call <puts>', 'ret', 'jmp <f>'],
  );
  assert.deepEqual(
    after.map(({ key }) => key),
    ['mov (%rip),%eax <limit>', 'cmp %eax,%edi', 'jge', 'call <puts>', 'ret', 'jmp <f>'],
  );
  assert.equal(before[2]?.jump, 5);
  assert.equal(after[2]?.jump, 5);
  assert.equal(before[2]?.text, 'jg <+0x10>');
  assert.deepEqual(
    after.map(({ offset }) => offset),
    [0, 6, 8, 10, 15, 16],
  );
});

test('what is no instruction is passed over', () =>
  assert.deepEqual(readDisassembly('\nprog: not ELF\n', 0, 9), []));
