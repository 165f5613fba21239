import type { Registers } from '../arch.ts';

/**
 * AADWARF64, 4.1 "DWARF register names", over Linux's `struct user_pt_regs` (NT_PRSTATUS: x0-x30, sp, pc, pstate).
 * The return address column is x30 (lr) itself, which only a function that makes no call leaves in the register.
 * tpidr_el0 and the masks of pointer authentication are register sets of their own: they are appended.
 */
const WORD = 8;
const PRSTATUS_SIZE = 34 * WORD;
const general = Array.from({ length: 31 }, (_, i) => i);
/** NT_ARM_TLS, and NT_ARM_PAC_MASK: struct user_pac_mask, data_mask and insn_mask. Linux, include/uapi/linux/elf.h. */
const TLS = { note: 0x401, size: WORD };
const PAC_MASK = { note: 0x406, size: 2 * WORD };

export const registers: Registers = {
  prstatusSize: PRSTATUS_SIZE,
  dwarf: [...general.map((i) => i * WORD), 31 * WORD],
  names: [...general.map((i) => `x${i}`), 'sp'],
  pc: 32 * WORD,
  sp: 31 * WORD,
  appended: [TLS, PAC_MASK],
  threadPointer: PRSTATUS_SIZE,
  authenticationMask: PRSTATUS_SIZE + TLS.size + WORD,
  dwarfSp: 31,
  dwarfFp: 29,
  dwarfReturnAddress: 30,
  calleeSaved: [19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29],
};
