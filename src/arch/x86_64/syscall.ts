/**
 * Linux system calls on x86_64 and the signal frame from which rt_sigreturn restores a thread.
 * Sources: psABI x86-64 1.0, A.2.1 "Calling Conventions"; arch/x86/include/uapi/asm/sigcontext.h; sigreturn(2).
 */
import { alignDownBig, plus, type Remote, remote } from '../../bytes/address.ts';
import { i32, pad, record, u16, u32, u64, viewOf } from '../../bytes/record.ts';
import type { SignalFrame, SignalFrameInput, SyscallFacts, SystemCall, TargetCall } from '../arch.ts';

/** struct user_regs_struct, <sys/user.h>: NT_PRSTATUS. */
const UserRegs = record('user_regs_struct', 216, {
  r15: u64,
  r14: u64,
  r13: u64,
  r12: u64,
  rbp: u64,
  rbx: u64,
  r11: u64,
  r10: u64,
  r9: u64,
  r8: u64,
  rax: u64,
  rcx: u64,
  rdx: u64,
  rsi: u64,
  rdi: u64,
  origRax: u64, // the system call the thread is in, -1 outside of one
  rip: u64,
  cs: u64,
  eflags: u64,
  rsp: u64,
  ss: u64,
  fsBase: u64,
  gsBase: u64,
  ds: u64,
  es: u64,
  fs: u64,
  gs: u64,
});

/** struct rt_sigframe up to its siginfo, which sigreturn does not read. */
const SignalFrameLayout = record('rt_sigframe', 312, {
  returnAddress: u64,
  flags: u64, // struct ucontext
  link: u64,
  altStackPointer: u64,
  altStackFlags: i32,
  altStackPadding: pad(4),
  altStackSize: u64,
  r8: u64, // struct sigcontext
  r9: u64,
  r10: u64,
  r11: u64,
  r12: u64,
  r13: u64,
  r14: u64,
  r15: u64,
  rdi: u64,
  rsi: u64,
  rbp: u64,
  rbx: u64,
  rdx: u64,
  rax: u64,
  rcx: u64,
  rsp: u64,
  rip: u64,
  eflags: u64,
  cs: u16,
  gs: u16,
  fs: u16,
  ss: u16,
  error: u64,
  trapNumber: u64,
  oldMask: u64,
  cr2: u64,
  fpstate: u64,
  reserved: pad(64),
  signalMask: u64,
});

/** struct _fpx_sw_bytes: what the last 48 bytes of the FXSAVE area say in a signal frame. */
const SoftwareBytes = record('_fpx_sw_bytes', 48, {
  magic1: u32,
  extendedSize: u32,
  features: u64,
  stateSize: u32,
  reserved: pad(28),
});

const UC_FP_XSTATE = 1n;
const UC_SIGCONTEXT_SS = 2n;
const UC_STRICT_RESTORE_SS = 4n;
/** do_sigaltstack refuses it, so that sigreturn leaves the alternate stack as it is. */
const INVALID_ALT_STACK_FLAGS = 7;
const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;
const SOFTWARE_BYTES = 464;
const XSTATE_HEADER = 512;
const LEGACY_SIZE = 512;
/** Intel SDM vol. 1, 13.5.9: XTILECFG, 64 bytes, and XTILEDATA, 8192 bytes: the last components of the layout. */
const TILE_FEATURES = 0b11n << 17n;
const TILE_SIZE = 64 + 8192;
const NO_CALL = 0xffff_ffff_ffff_ffffn;
const DIRECTION_FLAG = 0x400n;
const TRAP_FLAG = 0x100n;

/** include/linux/errno.h: -ERESTARTSYS, -ERESTARTNOINTR, -ERESTARTNOHAND, -ERESTART_RESTARTBLOCK. */
const RESTARTS: ReadonlySet<bigint> = new Set([-512n, -513n, -514n, -516n]);
const RESTART_SYSCALL = 219;
const SYSCALL_SIZE = 2n; // 0f 05

function signalFrame(input: SignalFrameInput): SignalFrame | undefined {
  const regs = UserRegs.on(viewOf(input.prstatus), 0);
  const fpstate = extendedStateOf(input.extendedState);
  const fpstateAt = alignDownBig(input.stackTop - BigInt(fpstate.length), 64n);
  // The kernel wants frame + 8 on 16 bytes, which is also where the psABI wants a function's return address.
  const returnSlot = remote(alignDownBig(fpstateAt - BigInt(SignalFrameLayout.size), 16n) - 8n);
  const stackPointer = plus(returnSlot, -8 * (input.returnWords.length - 1));

  let { rax, rip } = regs;
  if (interruptedCall(input.prstatus) !== undefined) {
    // Without us the kernel would start the call again; sigreturn ends that, so the frame does it.
    const number = numberToRestart(regs.origRax, input.codeBeforePc);
    if (number === undefined) return undefined;
    rax = number;
    rip -= SYSCALL_SIZE;
  }
  const bytes = new Uint8Array(Number(fpstateAt - stackPointer) + fpstate.length);
  const view = viewOf(bytes);
  input.returnWords.forEach((word, index) => {
    view.setBigUint64(index * 8, BigInt.asUintN(64, word), true);
  });
  const at = Number(returnSlot - stackPointer);
  const { r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rcx, rsp, eflags } = regs;
  Object.assign(SignalFrameLayout.edit(view, at), {
    flags: (fpstate.length > LEGACY_SIZE ? UC_FP_XSTATE : 0n) | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
    altStackFlags: INVALID_ALT_STACK_FLAGS,
    r8,
    r9,
    r10,
    r11,
    r12,
    r13,
    r14,
    r15,
    rdi,
    rsi,
    rbp,
    rbx,
    rdx,
    rax,
    rcx,
    rsp,
    rip,
    eflags,
    cs: Number(regs.cs & 0xffffn),
    ss: Number(regs.ss & 0xffffn),
    fpstate: fpstateAt,
    signalMask: input.signalMask,
  });
  bytes.set(fpstate, Number(fpstateAt - stackPointer));
  return { stackPointer, returnSlot, bytes };
}

/**
 * A copy of the thread's own frame for every call after the first, the earlier ones below, with the registers of the
 * call and the stack pointer on the return words of the frame above. All of them share one floating point state.
 */
function chain(
  frame: SignalFrame,
  gadget: Remote,
  calls: readonly SystemCall[],
  signalMask: bigint,
): SignalFrame {
  const own = Number(frame.returnSlot - frame.stackPointer);
  // The return slots stay where the psABI wants them: a multiple of 16 apart.
  const link = (own + SignalFrameLayout.size + 15) & -16;
  const following = calls.slice(1);
  const room = link * following.length;
  const bytes = new Uint8Array(room + frame.bytes.length);
  bytes.set(frame.bytes, room);
  following.forEach((call, index) => {
    const at = link * index;
    bytes.set(frame.bytes.subarray(0, own + SignalFrameLayout.size), at);
    const edit = SignalFrameLayout.edit(viewOf(bytes), at + own);
    [edit.rdi, edit.rsi, edit.rdx, edit.r10, edit.r8, edit.r9] = registersOf(call);
    edit.rax = BigInt(call.number);
    edit.rip = gadget;
    edit.rsp = plus(frame.stackPointer, at + link - room);
    edit.eflags &= ~(DIRECTION_FLAG | TRAP_FLAG);
    edit.signalMask = signalMask;
  });
  return {
    stackPointer: plus(frame.stackPointer, -room),
    returnSlot: plus(frame.returnSlot, -room),
    bytes,
  };
}

/** Six arguments as words. */
function registersOf(call: TargetCall): [bigint, bigint, bigint, bigint, bigint, bigint] {
  const word = (index: number): bigint => BigInt.asUintN(64, call.args[index] ?? 0n);
  return [word(0), word(1), word(2), word(3), word(4), word(5)];
}

/** The NT_X86_XSTATE dump in the form of a signal frame: software bytes filled in, second magic behind it. */
function extendedStateOf(dump: Uint8Array): Uint8Array {
  if (dump.length <= XSTATE_HEADER) return dump.slice(0, LEGACY_SIZE);
  const dumped = viewOf(dump);
  // The kernel leaves the mask of features that it knows in the first word of the software bytes.
  let features = dumped.getBigUint64(SOFTWARE_BYTES, true);
  let size = dump.length;
  const inUse = dumped.getBigUint64(XSTATE_HEADER, true);
  // A frame larger than what the process may use is refused, and tiles need a permission of their own.
  if ((features & TILE_FEATURES) !== 0n && (inUse & TILE_FEATURES) === 0n && size > TILE_SIZE + 576) {
    features &= ~TILE_FEATURES;
    size -= TILE_SIZE;
  }
  const state = new Uint8Array(size + 4);
  state.set(dump.subarray(0, size));
  const view = viewOf(state);
  state.fill(0, SOFTWARE_BYTES, SOFTWARE_BYTES + SoftwareBytes.size);
  Object.assign(SoftwareBytes.edit(view, SOFTWARE_BYTES), {
    magic1: FP_XSTATE_MAGIC1,
    extendedSize: size + 4,
    features,
    stateSize: size,
  });
  view.setUint32(size, FP_XSTATE_MAGIC2, true);
  return state;
}

/** restart_syscall stands for an earlier call, whose number the code still loads: `mov $number,%eax; syscall`. */
function numberToRestart(origRax: bigint, codeBeforePc: Uint8Array): bigint | undefined {
  if (origRax !== BigInt(RESTART_SYSCALL)) return origRax;
  const at = codeBeforePc.length - 7;
  if (at < 0 || codeBeforePc[at] !== 0xb8) return undefined;
  return BigInt(viewOf(codeBeforePc).getUint32(at + 1, true));
}

function enterCall(prstatus: Uint8Array, frame: SignalFrame, gadget: Remote, call: TargetCall): Uint8Array {
  const entered = prstatus.slice();
  const regs = UserRegs.edit(viewOf(entered), 0);
  const [rdi, rsi, rdx, fourth, r8, r9] = registersOf(call);
  Object.assign(regs, { rdi, rsi, rdx, r8, r9 });
  // No restart handling for what the thread was in before.
  regs.origRax = NO_CALL;
  // psABI 3.2.1: the direction flag is clear on entry to a function.
  regs.eflags &= ~(DIRECTION_FLAG | TRAP_FLAG);
  if (call.kind === 'syscall') {
    regs.r10 = fourth;
    regs.rax = BigInt(call.number);
    regs.rip = gadget;
    regs.rsp = frame.stackPointer;
  } else {
    regs.rcx = fourth;
    regs.rax = 0n; // psABI 3.5.7: no vector registers hold arguments
    regs.rip = call.address;
    regs.rsp = frame.returnSlot;
  }
  return entered;
}

function interruptedCall(prstatus: Uint8Array): { readonly number: number } | undefined {
  const { origRax, rax } = UserRegs.on(viewOf(prstatus), 0);
  if (BigInt.asIntN(64, origRax) < 0n || !RESTARTS.has(BigInt.asIntN(64, rax))) return undefined;
  return { number: Number(origRax) };
}

const found = (addresses: readonly Remote[], index: number): Remote => {
  const address = addresses[index];
  if (address === undefined) throw new RangeError(`no address of byte sequence ${index}`);
  return address;
};

export const syscall: SyscallFacts = {
  // arch/x86/entry/syscalls/syscall_64.tbl
  numbers: {
    mmap: 9,
    mprotect: 10,
    munmap: 11,
    mremap: 25,
    openat: 257,
    close: 3,
    getpid: 39,
    restartSyscall: RESTART_SYSCALL,
    rtSigreturn: 15,
    membarrier: 324,
    kcmp: 312,
  },
  // read write pread64 readv writev accept sendto recvfrom sendmsg recvmsg wait4 fcntl flock futex waitid accept4 preadv
  patientCalls: new Set([0, 1, 17, 19, 20, 43, 44, 45, 46, 47, 61, 72, 73, 202, 247, 288, 295]),
  // signal(7), "Interruption of system calls by stop signals": semop rt_sigtimedwait io_getevents semtimedop epoll_wait
  // epoll_pwait io_pgetevents epoll_pwait2
  fragileCalls: new Set([65, 128, 208, 220, 232, 281, 333, 441]),
  gadget: Uint8Array.of(
    ...[0x0f, 0x05], // syscall
    0xc3, //            ret
  ),
  sigreturnPaths: [
    {
      // glibc's __restore_rt: mov $15,%rax; syscall
      code: [Uint8Array.of(0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05)],
      words: (addresses) => [found(addresses, 0)],
    },
    {
      // musl's: mov $15,%eax; syscall
      code: [Uint8Array.of(0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05)],
      words: (addresses) => [found(addresses, 0)],
    },
    {
      // pop %rax; ret, then the system call that every gadget has
      code: [Uint8Array.of(0x58, 0xc3)],
      words: (addresses, gadget) => [found(addresses, 0), 15n, gadget],
    },
  ],
  functionReturn: Uint8Array.of(
    ...[0x48, 0x89, 0xc7], //                       mov %rax,%rdi
    ...[0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00], // 1: mov $15,%rax
    ...[0x0f, 0x05], //                             syscall
    ...[0xeb, 0xf5], //                             jmp 1b
  ),
  endTaker(table) {
    const code = Uint8Array.of(
      0x53, //                                      push %rbx
      ...[0x48, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0], //   movabs $table,%rbx
      ...[0x8b, 0x33], //                        1: mov (%rbx),%esi
      ...[0x85, 0xf6], //                           test %esi,%esi
      ...[0x74, 0x1d], //                           jz 2f
      ...[0xbf, 1, 0, 0, 0], //                     mov $1,%edi             P_PID
      ...[0x31, 0xd2], //                           xor %edx,%edx
      ...[0x41, 0xba, 5, 0, 0, 0x40], //            mov $0x40000005,%r10d   WNOHANG | WEXITED | __WALL
      ...[0x45, 0x31, 0xc0], //                     xor %r8d,%r8d
      ...[0xb8, 0xf7, 0, 0, 0], //                  mov $247,%eax           waitid
      ...[0x0f, 0x05], //                           syscall
      ...[0x48, 0x83, 0xc3, 4], //                  add $4,%rbx
      ...[0xeb, 0xdd], //                           jmp 1b
      ...[0x5b, 0xc3], //                        2: pop %rbx; ret
    );
    viewOf(code).setBigUint64(3, table, true);
    return code;
  },
  redZone: 128, // psABI 3.2.2
  instructionAlignment: 1,
  extendedStateNotes: [0x202], // NT_X86_XSTATE
  isLostInCalls: () => false,
  signalFrame,
  chain,
  enterCall,
  callNumber: (prstatus) => Number(BigInt.asIntN(64, UserRegs.on(viewOf(prstatus), 0).origRax)),
  skipCall(prstatus) {
    const skipped = prstatus.slice();
    UserRegs.edit(viewOf(skipped), 0).origRax = NO_CALL;
    return { note: 1, regset: skipped }; // NT_PRSTATUS
  },
  result: (prstatus) => BigInt.asIntN(64, UserRegs.on(viewOf(prstatus), 0).rax),
  handedOver: (prstatus) => UserRegs.on(viewOf(prstatus), 0).rdi,
  interruptedCall,
  lastCall: {
    at: UserRegs.offsets.origRax,
    // read write poll pread64 pwrite64 readv writev select sched_yield pause nanosleep getpid connect accept sendto recvfrom
    // sendmsg recvmsg wait4 fcntl flock gettimeofday rt_sigtimedwait rt_sigsuspend gettid futex io_getevents restart_syscall
    // clock_gettime clock_nanosleep epoll_wait waitid pselect6 ppoll epoll_pwait accept4 preadv pwritev recvmmsg sendmmsg
    // epoll_pwait2. By `int 0x80` (syscall_32.tbl) one of these numbers is brk, which maps no stack, and none maps more.
    keepMappings: new Set([
      ...[
        0, 1, 7, 17, 18, 19, 20, 23, 24, 34, 35, 39, 42, 43, 44, 45, 46, 47, 61, 72, 73, 96, 128, 130, 186,
        202,
      ],
      ...[208, 219, 228, 230, 232, 247, 270, 271, 281, 288, 295, 296, 299, 307, 441],
    ]),
  },
  threadPointer: (prstatus) => remote(UserRegs.on(viewOf(prstatus), 0).fsBase),
};
