import type { Registers } from '../arch.ts';

/**
 * AADWARF64, 4.1 "DWARF register names", over Linux's `struct user_pt_regs` (NT_PRSTATUS: x0-x30, sp, pc, pstate).
 * The return address column is x30 (lr) itself, which only a function that makes no call leaves in the register.
 */
const WORD = 8;
const general = Array.from({ length: 31 }, (_, i) => i);

export const registers: Registers = {
  prstatusSize: 272,
  dwarf: [...general.map((i) => i * WORD), 31 * WORD],
  names: [...general.map((i) => `x${i}`), 'sp'],
  pc: 32 * WORD,
  sp: 31 * WORD,
  dwarfSp: 31,
  dwarfFp: 29,
  dwarfReturnAddress: 30,
  calleeSaved: [19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29],
};
