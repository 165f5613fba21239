import type { UnwindFacts } from '../arch.ts';

/** mov $15,%rax; syscall  and  mov $15,%eax; syscall: what a libc names as sa_restorer (15 is rt_sigreturn). */
const RESTORERS = [
  [0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05],
  [0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05],
];

/** Byte length of ModRM with its SIB and displacement. Intel SDM, volume 2, 2.1.3. */
function addressingLength(modrm: number, sib: number | undefined): number {
  const mod = modrm >> 6;
  const rm = modrm & 7;
  if (mod === 3) return 1;
  const hasSib = rm === 4;
  const displacement =
    mod === 1 ? 1 : mod === 2 || rm === 5 || (hasSib && sib !== undefined && (sib & 7) === 5) ? 4 : 0;
  return 1 + (hasSib ? 1 : 0) + displacement;
}

/** psABI x86-64 1.0, figure 3.36, "DWARF Register Number Mapping". */
const RAX = 0;

export const unwind: UnwindFacts = {
  isSignalTrampoline: (code) => RESTORERS.some((restorer) => restorer.every((byte, i) => code[i] === byte)),

  endsWithCall(codeBefore) {
    const end = codeBefore.length;
    // call rel32
    if (end >= 5 && codeBefore[end - 5] === 0xe8) return true;
    // call r/m64: ff /2, before it only prefixes
    for (let length = 2; length <= 7 && length <= end; length++) {
      if (codeBefore[end - length] !== 0xff) continue;
      const modrm = codeBefore[end - length + 1]!;
      if (((modrm >> 3) & 7) !== 2) continue;
      const sib = length > 2 ? codeBefore[end - length + 2] : undefined;
      if (addressingLength(modrm, sib) === length - 1) return true;
    }
    return false;
  },

  // After the call that leads here, nothing but the return address has been pushed.
  leafFrame: { cfaOffset: 8, returnAddressOffset: -8 },

  // The handler's `ret` has popped pretcode, so that sp is at struct ucontext; its uc_mcontext begins at 40 and holds
  // r8-r15 rdi rsi rbp rbx rdx rax rcx rsp rip. Linux, asm/ucontext.h and asm/sigcontext.h.
  signalFrame: [144, 136, 152, 128, 112, 104, 120, 160, 40, 48, 56, 64, 72, 80, 88, 96, 168],
  signalFramePc: 168,

  // glibc's clone and clone3: test %rax,%rax; jl error; jz child; ret
  afterClone(code, register) {
    if (code[0] !== 0x48 || code[1] !== 0x85 || code[2] !== 0xc0) return undefined;
    const behindError = code[3] === 0x7c ? 5 : code[3] === 0x0f && code[4] === 0x8c ? 9 : undefined;
    if (behindError === undefined || code[behindError] !== 0x74 || code[behindError + 2] !== 0xc3)
      return undefined;
    return register(RAX) === 0n ? 'child' : 'caller';
  },

  // glibc, sysdeps/x86_64/jmpbuf-offsets.h
  jumpBuffer: {
    size: 64,
    stackPointer: 48,
    saved: { rbx: 0, rbp: 8, r12: 16, r13: 24, r14: 32, r15: 40, pc: 56 },
    mangled: ['rbp', 'sp', 'pc'],
  },

  // glibc's PTR_MANGLE: xor %fs:0x30, rol $17
  pointerGuard: {
    offset: 0x30,
    unmangle: (value, guard) => BigInt.asUintN(64, (value >> 17n) | (value << 47n)) ^ guard,
  },

  // ELF TLS, 3.4.6: %fs:0 holds its own address; glibc's and musl's `self` is there again, behind the dtv.
  selfPointers: [0],
};
