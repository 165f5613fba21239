import type { Registers } from '../arch.ts';

/**
 * psABI x86-64 1.0, figure 3.36 "DWARF Register Number Mapping", over Linux's `struct user_regs_struct`
 * (NT_PRSTATUS, 27 words). Column 16 is the return address: in a stopped thread that is rip itself.
 */
export const registers: Registers = {
  prstatusSize: 216,
  dwarf: [80, 96, 88, 40, 104, 112, 32, 152, 72, 64, 56, 48, 24, 16, 8, 0, 128],
  names: [
    'rax',
    'rdx',
    'rcx',
    'rbx',
    'rsi',
    'rdi',
    'rbp',
    'rsp',
    'r8',
    'r9',
    'r10',
    'r11',
    'r12',
    'r13',
    'r14',
    'r15',
    'rip',
  ],
  pc: 128,
  sp: 152,
  appended: [],
  // fs_base
  threadPointer: 168,
  dwarfSp: 7,
  dwarfFp: 6,
  dwarfReturnAddress: 16,
  calleeSaved: [3, 6, 12, 13, 14, 15],
};
