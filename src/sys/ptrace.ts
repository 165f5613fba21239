/**
 * ptrace(2). Every call must come from the OS thread that seized the tracee, and but for seize and interrupt the
 * tracee must be stopped; otherwise the kernel answers ESRCH, which arrives here as PROCESS_GONE.
 */
import { EIO, ESRCH, SystemError } from './errno.ts';
import { cFunction, errno, NativeMemory } from './library.ts';

const ptrace = cFunction('ptrace', 'long', ['long', 'long', 'uintptr_t', 'uintptr_t']);

// linux/ptrace.h
const PTRACE_CONT = 7;
const PTRACE_DETACH = 17;
const PTRACE_SYSCALL = 24;
const PTRACE_SETOPTIONS = 0x4200;
const PTRACE_GETEVENTMSG = 0x4201;
const PTRACE_GETSIGINFO = 0x4202;
const PTRACE_GETREGSET = 0x4204;
const PTRACE_SETREGSET = 0x4205;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
const PTRACE_LISTEN = 0x4208;
const PTRACE_GETSIGMASK = 0x420a;
const PTRACE_SETSIGMASK = 0x420b;
const PTRACE_GET_RSEQ_CONFIGURATION = 0x420f;

export const PTRACE_O_TRACESYSGOOD = 0x1;
export const PTRACE_O_TRACEFORK = 0x2;
export const PTRACE_O_TRACEVFORK = 0x4;
export const PTRACE_O_TRACECLONE = 0x8;
export const PTRACE_O_TRACEEXEC = 0x10;
/** Kill the tracee when the tracer dies. */
export const PTRACE_O_EXITKILL = 0x100000;
/** Switch seccomp filters off while traced. Needs CAP_SYS_ADMIN and a tracer without seccomp. */
export const PTRACE_O_SUSPEND_SECCOMP = 0x200000;

export const PTRACE_EVENT_FORK = 1;
export const PTRACE_EVENT_VFORK = 2;
export const PTRACE_EVENT_CLONE = 3;
export const PTRACE_EVENT_EXEC = 4;
export const PTRACE_EVENT_EXIT = 6;
/** After an interrupt, at the birth of a traced thread, or a group stop. */
export const PTRACE_EVENT_STOP = 128;

// linux/elf.h
export const NT_PRSTATUS = 1;

/** Attaches to a thread without stopping it. `options`: PTRACE_O_* bits. */
export function seize(tid: number, options: number): void {
  request('PTRACE_SEIZE', PTRACE_SEIZE, tid, 0, options);
}

/** Asks a seized thread to stop; the stop arrives as PTRACE_EVENT_STOP. False if the thread is gone. */
export function interrupt(tid: number): boolean {
  return ptrace(PTRACE_INTERRUPT, tid, 0, 0) === 0 || goneOrThrow('PTRACE_INTERRUPT', tid);
}

/** Resumes a stopped thread, delivering `signal` if it stopped for a signal. False if the thread is gone. */
export function cont(tid: number, signal = 0): boolean {
  return ptrace(PTRACE_CONT, tid, 0, signal) === 0 || goneOrThrow('PTRACE_CONT', tid);
}

/** Resumes until the next entry to or exit from a system call. False if the thread is gone. */
export function contToSyscall(tid: number, signal = 0): boolean {
  return ptrace(PTRACE_SYSCALL, tid, 0, signal) === 0 || goneOrThrow('PTRACE_SYSCALL', tid);
}

/** Leaves a thread in group stop stopped, as if untraced, but keeps tracing it. False if the thread is gone. */
export function listen(tid: number): boolean {
  const ok = ptrace(PTRACE_LISTEN, tid, 0, 0) === 0;
  // EIO: no longer in group stop, SIGCONT came first. The stop that it causes is reported next.
  return ok || errno() === EIO || goneOrThrow('PTRACE_LISTEN', tid);
}

/** Lets a stopped thread go, delivering `signal` if it stopped for a signal. False if it is gone or not stopped. */
export function detach(tid: number, signal = 0): boolean {
  return ptrace(PTRACE_DETACH, tid, 0, signal) === 0 || goneOrThrow('PTRACE_DETACH', tid);
}

/** Replaces the options given to `seize`. */
export function setOptions(tid: number, options: number): void {
  request('PTRACE_SETOPTIONS', PTRACE_SETOPTIONS, tid, 0, options);
}

const REGSET_CAPACITY = 32768;
const IOVEC = REGSET_CAPACITY;
const registerMemory = NativeMemory.lazily(REGSET_CAPACITY + 16);

/** A copy of the register set `note` (NT_*), as long as the kernel says it is. */
export function getRegset(tid: number, note: number): Uint8Array {
  const memory = registerMemory();
  pointIovec(memory, REGSET_CAPACITY);
  request('PTRACE_GETREGSET', PTRACE_GETREGSET, tid, note, memory.address + IOVEC);
  return memory.bytes.slice(0, Number(memory.view.getBigUint64(IOVEC + 8, true)));
}

/**
 * Fetches a register set to where the iovec at `iovec` (an address of ours) points: for many threads, with the memory
 * laid out beforehand. Throws PROCESS_GONE when the thread was killed.
 */
export function getRegsetInto(tid: number, note: number, iovec: number): void {
  if (ptrace(PTRACE_GETREGSET, tid, note, iovec) < 0)
    throw new SystemError(`PTRACE_GETREGSET of ${tid}`, errno());
}

/** Replaces the register set `note`; the kernel sees the old registers or the new, never a mixture. */
export function setRegset(tid: number, note: number, regset: Uint8Array): void {
  const memory = registerMemory();
  memory.bytes.set(regset, 0);
  pointIovec(memory, regset.length);
  request('PTRACE_SETREGSET', PTRACE_SETREGSET, tid, note, memory.address + IOVEC);
}

function pointIovec(memory: NativeMemory, size: number): void {
  memory.view.setBigUint64(IOVEC, BigInt(memory.address), true);
  memory.view.setBigUint64(IOVEC + 8, BigInt(size), true);
}

const small = NativeMemory.lazily(128);

/** The blocked signals: bit n - 1 for signal n. */
export function getSigmask(tid: number): bigint {
  request('PTRACE_GETSIGMASK', PTRACE_GETSIGMASK, tid, 8, small().address);
  return small().view.getBigUint64(0, true);
}

export function setSigmask(tid: number, mask: bigint): void {
  small().view.setBigUint64(0, mask, true);
  request('PTRACE_SETSIGMASK', PTRACE_SETSIGMASK, tid, 8, small().address);
}

/** siginfo_t of the signal for which the thread stopped. */
export function getSiginfo(tid: number): { readonly signal: number; readonly code: number } {
  request('PTRACE_GETSIGINFO', PTRACE_GETSIGINFO, tid, 0, small().address);
  return { signal: small().view.getInt32(0, true), code: small().view.getInt32(8, true) };
}

/** What came with a PTRACE_EVENT_*: the new tid for fork, vfork and clone, the former tid for exec. */
export function getEventMessage(tid: number): number {
  request('PTRACE_GETEVENTMSG', PTRACE_GETEVENTMSG, tid, 0, small().address);
  return Number(small().view.getBigUint64(0, true));
}

/** Address of the thread's struct rseq in the target; undefined if it registered none or the kernel cannot tell. */
export function getRseqArea(tid: number): bigint | undefined {
  // struct ptrace_rseq_configuration: { u64 address; u32 size, signature, flags, pad }
  if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, 24, small().address) < 0) {
    const failure = errno();
    if (failure === EIO) return undefined; // before Linux 5.13
    throw new SystemError(`PTRACE_GET_RSEQ_CONFIGURATION of ${tid}`, failure);
  }
  const address = small().view.getBigUint64(0, true);
  return address === 0n ? undefined : address;
}

function request(name: string, op: number, tid: number, address: number, data: number): void {
  if (ptrace(op, tid, address, data) < 0) throw new SystemError(`${name} of ${tid}`, errno());
}

function goneOrThrow(name: string, tid: number): false {
  const failure = errno();
  if (failure === ESRCH) return false;
  throw new SystemError(`${name} of ${tid}`, failure);
}
