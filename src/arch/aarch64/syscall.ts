/**
 * Linux system calls on AArch64 and the signal frame from which rt_sigreturn restores a thread.
 * Sources: AAPCS64, 6; arch/arm64/include/uapi/asm/{ptrace,sigcontext,ucontext}.h; arch/arm64/kernel/{signal,ptrace}.c;
 * include/uapi/asm-generic/unistd.h.
 *
 * A call returns to x30, and so does a function: nothing is read from the stack but the frame itself. The word that says
 * where to stands in the frame's siginfo, which rt_sigreturn does not look at, and `enterCall` takes it from there.
 */
import { alignDownBig, plus, type Remote, remote } from '../../bytes/address.ts';
import { pad, record, u16, u32, u64, viewOf } from '../../bytes/record.ts';
import type { SignalFrame, SignalFrameInput, SyscallFacts, SystemCall, TargetCall } from '../arch.ts';
import { registers } from './registers.ts';

/** struct rt_sigframe: siginfo, struct ucontext, and struct sigcontext up to its records. x0-x30 follow faultAddress. */
const SignalFrameLayout = record('rt_sigframe', 592, {
  returnAddress: u64, // siginfo; see above
  siginfo: pad(120),
  flags: u64, // struct ucontext
  link: u64,
  altStackPointer: u64,
  altStackFlags: u32,
  altStackPadding: pad(4),
  altStackSize: u64,
  signalMask: u64,
  unused: pad(128), // room for 1024 signals, and the context's alignment of 16
  faultAddress: u64, // struct sigcontext
  general: pad(31 * 8),
  sp: u64,
  pc: u64,
  pstate: u64,
  alignment: pad(8),
});
const GENERAL = 128 + 176 + 8;

/** struct fpsimd_context: v0-v31 follow. */
const FpsimdContext = record('fpsimd_context', 528, {
  magic: u32,
  size: u32,
  fpsr: u32,
  fpcr: u32,
  v: pad(512),
});
const FPSIMD_MAGIC = 0x46508001;
/** struct sve_context: z0-z31, p0-p15 and ffr follow. */
const SveContext = record('sve_context', 16, {
  magic: u32,
  size: u32,
  vl: u16,
  flags: u16,
  reserved: pad(4),
});
const SVE_MAGIC = 0x53564501;
/** struct _aarch64_ctx of zeros ends the records. */
const TERMINATOR_SIZE = 16;
/** sigcontext.__reserved: larger states need a record of another kind. */
const RECORDS_CAPACITY = 4096;

/** NT_PRFPREG: struct user_fpsimd_state: v0-v31, fpsr, fpcr. */
const NT_PRFPREG = 2;
const FPSIMD_STATE_SIZE = 528;
/** NT_ARM_SVE: struct user_sve_header, then user_fpsimd_state or z, p, ffr, fpsr and fpcr. */
const NT_ARM_SVE = 0x405;
const SveHeader = record('user_sve_header', 16, {
  size: u32,
  maxSize: u32,
  vl: u16, // bytes of a z register
  maxVl: u16,
  flags: u16,
  reserved: u16,
});
const SVE_PT_REGS_SVE = 1;
/** NT_ARM_SYSTEM_CALL, an int: what the kernel goes by once the thread stands at the entry of a call. */
const NT_ARM_SYSTEM_CALL = 0x404;

/** do_sigaltstack refuses it, so that sigreturn leaves the alternate stack as it is. */
const INVALID_ALT_STACK_FLAGS = 7;
// Arm ARM C5.2.18, SPSR_EL1: software step; the branch type, by which a landing pad is asked for.
const PSTATE_SS = 1n << 21n;
const PSTATE_BTYPE = 3n << 10n;
const PSTATE = 33 * 8;
const X8 = 8 * 8;
const LINK_REGISTER = 30 * 8;

const RESTART_SYSCALL = 128;
const NANOSLEEP = 101;
const CLOCK_NANOSLEEP = 115;
const FUTEX = 98;
const TIMER_ABSTIME = 1n;
const FUTEX_WAIT = 0n;
const FUTEX_COMMAND = 0x7fn;

const SVC = 0xd4000001;
const word = (view: DataView, at: number): bigint => view.getBigUint64(at, true);

/** The registers of floats and vectors as records of a signal frame; undefined if they do not fit, or are of streaming mode. */
function recordsOf(state: Uint8Array, note: number): Uint8Array | undefined {
  const isSve = note === NT_ARM_SVE;
  const header = isSve ? SveHeader.on(viewOf(state), 0) : undefined;
  if (header === undefined || (header.flags & SVE_PT_REGS_SVE) === 0) {
    const payload = state.subarray(isSve ? SveHeader.size : 0);
    return payload.length < FPSIMD_STATE_SIZE ? undefined : fpsimdRecord(payload, 16, 512, TERMINATOR_SIZE);
  }
  const { vl } = header;
  // z0-z31 of vl bytes, p0-p15 and ffr of vl / 8
  const registersSize = 32 * vl + 17 * (vl >> 3);
  const size = (SveContext.size + registersSize + 15) & -16;
  const statusAt = (SveHeader.size + registersSize + 15) & -16;
  const total = FpsimdContext.size + size + TERMINATOR_SIZE;
  if (total > RECORDS_CAPACITY || state.length < statusAt + 8) return undefined;
  const bytes = fpsimdRecord(
    state.subarray(SveHeader.size),
    vl,
    statusAt - SveHeader.size,
    size + TERMINATOR_SIZE,
  );
  Object.assign(SveContext.edit(viewOf(bytes), FpsimdContext.size), { magic: SVE_MAGIC, size, vl });
  const from = SveHeader.size;
  bytes.set(state.subarray(from, from + registersSize), FpsimdContext.size + SveContext.size);
  return bytes;
}

/** The record from 32 registers that lie `stride` bytes apart and status words at `status`, and `behind` zeros. */
function fpsimdRecord(state: Uint8Array, stride: number, status: number, behind: number): Uint8Array {
  const bytes = new Uint8Array(FpsimdContext.size + behind);
  const from = viewOf(state);
  Object.assign(FpsimdContext.edit(viewOf(bytes), 0), {
    magic: FPSIMD_MAGIC,
    size: FpsimdContext.size,
    fpsr: from.getUint32(status, true),
    fpcr: from.getUint32(status + 4, true),
  });
  for (let i = 0; i < 32; i++) bytes.set(state.subarray(i * stride, i * stride + 16), 16 + 16 * i);
  return bytes;
}

function signalFrame(input: SignalFrameInput): SignalFrame | undefined {
  const records = recordsOf(input.extendedState, input.extendedStateNote);
  if (records === undefined) return undefined;
  const saved = input.prstatus.slice(0, registers.prstatusSize);
  const view = viewOf(saved);
  if (isSystemCall(input.codeAtPc) && word(view, X8) === BigInt(RESTART_SYSCALL)) {
    // rt_sigreturn makes restart_syscall fail: the frame makes the call from its start.
    const number = numberToRestart(input.codeBeforePc);
    if (number === undefined) return undefined;
    view.setBigUint64(X8, number, true);
  }
  const size = SignalFrameLayout.size + records.length;
  const at = remote(alignDownBig(input.stackTop - BigInt(size), 16n));
  const bytes = new Uint8Array(size);
  Object.assign(SignalFrameLayout.edit(viewOf(bytes), 0), {
    returnAddress: BigInt.asUintN(64, input.returnWords[0] ?? 0n),
    altStackFlags: INVALID_ALT_STACK_FLAGS,
    signalMask: input.signalMask,
  });
  // x0-x30, sp, pc and pstate lie in struct sigcontext as they do in struct user_pt_regs.
  bytes.set(saved, GENERAL);
  bytes.set(records, SignalFrameLayout.size);
  return { stackPointer: at, returnSlot: at, bytes };
}

/**
 * A copy of the thread's own frame for every call after the first, the earlier ones below, with the registers of the
 * call, x30 on the way to rt_sigreturn, and the stack pointer on the frame above.
 */
function chain(
  frame: SignalFrame,
  gadget: Remote,
  calls: readonly SystemCall[],
  signalMask: bigint,
): SignalFrame {
  const following = calls.slice(1);
  const size = frame.bytes.length;
  const room = size * following.length;
  const bytes = new Uint8Array(room + size);
  bytes.set(frame.bytes, room);
  following.forEach((call, index) => {
    const at = size * index;
    bytes.set(frame.bytes, at);
    SignalFrameLayout.edit(viewOf(bytes), at).signalMask = signalMask;
    const context = viewOf(bytes.subarray(at + GENERAL, at + GENERAL + registers.prstatusSize));
    const above = plus(frame.stackPointer, at + size - room);
    lead(context, call, gadget, above, returnAddressOf(frame));
  });
  return { stackPointer: plus(frame.stackPointer, -room), returnSlot: plus(frame.returnSlot, -room), bytes };
}

const returnAddressOf = ({ bytes }: SignalFrame): bigint =>
  SignalFrameLayout.on(viewOf(bytes), 0).returnAddress;

/** Registers (struct user_pt_regs) with which a thread makes the call and then goes on at `returnTo`. */
function lead(
  view: DataView,
  call: TargetCall,
  gadget: Remote,
  stackPointer: Remote,
  returnTo: bigint,
): void {
  for (let i = 0; i < 6; i++) view.setBigUint64(8 * i, BigInt.asUintN(64, call.args[i] ?? 0n), true);
  view.setBigUint64(LINK_REGISTER, returnTo, true);
  view.setBigUint64(registers.sp, stackPointer, true);
  // The last branch of the thread was another one: no landing pad is due.
  view.setBigUint64(PSTATE, word(view, PSTATE) & ~(PSTATE_SS | PSTATE_BTYPE), true);
  if (call.kind === 'syscall') view.setBigUint64(X8, BigInt(call.number), true);
  view.setBigUint64(registers.pc, call.kind === 'syscall' ? gadget : call.address, true);
}

function enterCall(prstatus: Uint8Array, frame: SignalFrame, gadget: Remote, call: TargetCall): Uint8Array {
  const entered = prstatus.slice();
  const stackPointer = call.kind === 'syscall' ? frame.stackPointer : frame.returnSlot;
  lead(viewOf(entered), call, gadget, stackPointer, returnAddressOf(frame));
  return entered;
}

function isSystemCall(code: Uint8Array | undefined): boolean {
  return code !== undefined && code.length >= 4 && viewOf(code).getUint32(0, true) === SVC;
}

/** restart_syscall stands for an earlier call, whose number the code still loads: `mov x8, #number … svc #0`. */
function numberToRestart(codeBeforePc: Uint8Array): bigint | undefined {
  const view = viewOf(codeBeforePc);
  for (let at = codeBeforePc.length - 4; at >= 0; at -= 4) {
    const instruction = view.getUint32(at, true);
    // movz x8 and movz w8; Arm ARM C6.2.254
    if ((instruction & 0x7fe0001f) >>> 0 === 0x52800008) return BigInt((instruction >>> 5) & 0xffff);
    // Branches and what is like them, Arm ARM C4.1: the code before may be another's.
    if ((instruction & 0x1c000000) === 0x14000000) return undefined;
  }
  return undefined;
}

export const syscall: SyscallFacts = {
  numbers: {
    mmap: 222,
    mprotect: 226,
    munmap: 215,
    mremap: 216,
    openat: 56,
    close: 57,
    getpid: 172,
    restartSyscall: RESTART_SYSCALL,
    rtSigreturn: 139,
    membarrier: 283,
    kcmp: 272,
  },
  // read write readv writev pread64 preadv accept sendto recvfrom sendmsg recvmsg wait4 fcntl flock futex waitid accept4
  patientCalls: new Set([63, 64, 65, 66, 67, 69, 202, 206, 207, 211, 212, 260, 25, 32, FUTEX, 95, 242]),
  // signal(7), "Interruption of system calls by stop signals": semop semtimedop rt_sigtimedwait io_getevents epoll_pwait
  // io_pgetevents epoll_pwait2
  fragileCalls: new Set([193, 192, 137, 4, 22, 292, 441]),
  gadget: Uint8Array.of(
    ...[0x01, 0x00, 0x00, 0xd4], // svc #0
    ...[0xc0, 0x03, 0x5f, 0xd6], // ret
  ),
  sigreturnPaths: [
    {
      // The vdso's __kernel_rt_sigreturn, and musl's: mov x8, #139; svc #0
      code: [Uint8Array.of(0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4)],
      words: ([address]) => {
        if (address === undefined) throw new RangeError('no address of rt_sigreturn');
        return [address];
      },
    },
  ],
  functionReturn: Uint8Array.of(
    ...[0xe1, 0x03, 0x00, 0xaa], //    mov x1, x0
    ...[0x68, 0x11, 0x80, 0xd2], // 1: mov x8, #139
    ...[0x01, 0x00, 0x00, 0xd4], //    svc #0
    ...[0xfe, 0xff, 0xff, 0x17], //    b 1b
  ),
  redZone: 0, // AAPCS64, 6.4.5.1
  instructionAlignment: 4,
  extendedStateNotes: [NT_ARM_SVE, NT_PRFPREG],
  shadowStackNote: 0x410, // NT_ARM_GCS: features_enabled
  // sve_user_discard: a system call keeps no more than the first 128 bits of z0-z31.
  isLostInCalls: (state, note) =>
    note === NT_ARM_SVE && (SveHeader.on(viewOf(state), 0).flags & SVE_PT_REGS_SVE) !== 0,
  signalFrame,
  chain,
  enterCall,
  callNumber: (prstatus) => Number(BigInt.asIntN(32, word(viewOf(prstatus), X8))),
  skipCall: () => ({ note: NT_ARM_SYSTEM_CALL, regset: Uint8Array.of(0xff, 0xff, 0xff, 0xff) }),
  result: (prstatus) => viewOf(prstatus).getBigInt64(0, true),
  handedOver: (prstatus) => word(viewOf(prstatus), 8),
  interruptedCall(prstatus, codeAtPc) {
    return isSystemCall(codeAtPc())
      ? { number: Number(BigInt.asIntN(32, word(viewOf(prstatus), X8))) }
      : undefined;
  },
  hidesRestart(prstatus) {
    const view = viewOf(prstatus);
    const [, first = 0n, , third = 0n] = [0, 8, 16, 24].map((at) => word(view, at));
    switch (Number(BigInt.asIntN(32, word(view, X8)))) {
      case NANOSLEEP:
        return true;
      case CLOCK_NANOSLEEP:
        return (first & TIMER_ABSTIME) === 0n;
      case FUTEX:
        return (first & FUTEX_COMMAND) === FUTEX_WAIT && third !== 0n;
      default:
        return false;
    }
  },
  threadPointer: (prstatus) => remote(word(viewOf(prstatus), registers.threadPointer)),
};
