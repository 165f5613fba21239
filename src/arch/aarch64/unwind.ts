import { viewOf } from '../../bytes/record.ts';
import type { UnwindFacts } from '../arch.ts';

/** mov x8, #139; svc #0: __kernel_rt_sigreturn (139 is rt_sigreturn). */
const RESTORER = [0xd2801168, 0xd4000001];
const BL_MASK = 0xfc000000;
const BL = 0x94000000;
/** blr xN, and blraa, blrab, blraaz, blrabz. Arm ARM C4.1.95, "Unconditional branch (register)". */
const BLR_MASK = 0xfefff000;
const BLR = 0xd63f0000;

/** Offset of the general registers in the signal frame: struct siginfo (128), then uc_mcontext at 176 of struct ucontext, whose first word is fault_address. Linux, asm/ucontext.h and asm/sigcontext.h. */
const CONTEXT = 128 + 176 + 8;

export const unwind: UnwindFacts = {
  isSignalTrampoline: (code) =>
    code.length >= 8 && RESTORER.every((word, i) => viewOf(code).getUint32(4 * i, true) === word),

  // Pointer authentication fills the bits above the address; which ones, NT_ARM_PAC_MASK says.
  stripReturnAddress: (pc, mask) => pc & ~mask & ((1n << 55n) - 1n),

  endsWithCall(codeBefore) {
    if (codeBefore.length < 4) return false;
    const word = viewOf(codeBefore).getUint32(codeBefore.length - 4, true);
    return (word & BL_MASK) >>> 0 === BL || (word & BLR_MASK) >>> 0 === BLR;
  },

  // Nothing has been pushed, and the return address is in x30.
  leafFrame: { cfaOffset: 0, returnAddressOffset: undefined },

  // x0-x30, sp, then pc.
  signalFrame: Array.from({ length: 32 }, (_, i) => CONTEXT + 8 * i),

  // The thread pointer is at the dtv, and the C library's own block below it, by as much as the library likes.
  selfPointers: [],
};
