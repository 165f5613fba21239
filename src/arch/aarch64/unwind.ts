import { viewOf } from '../../bytes/record.ts';
import type { UnwindFacts } from '../arch.ts';

/** mov x8, #139; svc #0: __kernel_rt_sigreturn (139 is rt_sigreturn). */
const RESTORER = [0xd2801168, 0xd4000001];
const BL_MASK = 0xfc000000;
const BL = 0x94000000;
/** blr xN, and blraa, blrab, blraaz, blrabz. Arm ARM C4.1.95, "Unconditional branch (register)". */
const BLR_MASK = 0xfefff000;
const BLR = 0xd63f0000;

/** Offset of x0 in the signal frame: struct siginfo (128), then uc_mcontext at 176 of struct ucontext, whose first word is fault_address. Linux, asm/ucontext.h and asm/sigcontext.h. */
const CONTEXT = 128 + 176 + 8;
const PC = CONTEXT + 32 * 8;
/** A user's address has bit 55 clear; the bits above are a tag, or part of the code that authenticates. */
const ADDRESS = (1n << 55n) - 1n;

// Arm ARM C6.2: cmp x0, #0; the condition of b.cond is in its low bits.
const CMP_X0_0 = 0xf100001f;
const B_COND_MASK = 0xff00001f;
const B_EQ = 0x54000000;
const B_LT = 0x5400000b;
const CBZ_X0_MASK = 0xff00001f;
const CBZ_X0 = 0xb4000000;
const RET = 0xd65f03c0;

export const unwind: UnwindFacts = {
  isSignalTrampoline: (code) =>
    code.length >= 8 && RESTORER.every((word, i) => viewOf(code).getUint32(4 * i, true) === word),

  // Pointer authentication fills the bits above the address; which ones, NT_ARM_PAC_MASK says.
  stripReturnAddress: (pc, mask) => pc & ~mask & ADDRESS,

  endsWithCall(codeBefore) {
    if (codeBefore.length < 4) return false;
    const word = viewOf(codeBefore).getUint32(codeBefore.length - 4, true);
    return (word & BL_MASK) >>> 0 === BL || (word & BLR_MASK) >>> 0 === BLR;
  },

  // Nothing has been pushed, and the return address is in x30.
  leafFrame: { cfaOffset: 0, returnAddressOffset: undefined },

  // x0-x30, sp, then pc.
  signalFrame: Array.from({ length: 32 }, (_, i) => CONTEXT + 8 * i),
  signalFramePc: PC,

  // glibc's clone and clone3: cmp x0, #0; b.eq child; b.lt error; ret. musl's: cbz x0, child; ret
  afterClone(code, register) {
    if (code.length < 16) return undefined;
    const [first = 0, second = 0, third = 0, fourth] = [0, 4, 8, 12].map((at) =>
      viewOf(code).getUint32(at, true),
    );
    const isGlibc =
      first === CMP_X0_0 &&
      (second & B_COND_MASK) >>> 0 === B_EQ &&
      (third & B_COND_MASK) >>> 0 === B_LT &&
      fourth === RET;
    const isMusl = (first & CBZ_X0_MASK) >>> 0 === CBZ_X0 && second === RET;
    if (!isGlibc && !isMusl) return undefined;
    return register(0) === 0n ? 'child' : 'caller';
  },

  // The thread pointer is at the dtv, and the C library's own block below it, by as much as the library likes.
  selfPointers: [],
};
