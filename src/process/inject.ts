/**
 * Lets one stopped thread execute system calls and functions, such that it goes on where it was whatever happens to us.
 *
 * Before its registers change, a signal frame with all of its state lies below its stack, and the word to which the
 * call returns leads to rt_sigreturn: a thread that nobody holds any more restores itself. While we live, it is stopped
 * after the call and gets its own registers back, which keeps what a signal frame cannot: the restart of a blocked call
 * with the time that it had left.
 *
 * Signals are blocked meanwhile and wait in the kernel in their order. The exceptions are those that a faulting
 * instruction raises (blocked, they would end the process and lose the handler) and SIGKILL and SIGSTOP.
 */
import type { SignalFrame, SystemCall, TargetCall } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { hex, plus, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { interruptAfter } from '../sys/alarm.ts';
import {
  cont,
  contToSyscall,
  getRegset,
  getSiginfo,
  getSigmask,
  interrupt,
  NT_PRSTATUS,
  PTRACE_EVENT_EXEC,
  PTRACE_EVENT_STOP,
  setRegset,
  setSigmask,
} from '../sys/ptrace.ts';
import { FAULT_SIGNALS, signalBit } from '../sys/signals.ts';
import type { Mapping } from './maps.ts';
import { type ExtendedState, hasShadowStack, readExtendedState, writeRegisters } from './registers.ts';
import { codeAtPc, pcOf, revealRestart } from './restart.ts';
import { closeReturnPage, type MakeCall, openReturnPage } from './return-page.ts';
import { inRestartableSequence } from './rseq.ts';
import { stackBottom } from './stack-room.ts';
import type { Target } from './target.ts';
import { deadlineIn, nextReport } from './tracee.ts';
import type { Ways } from './ways.ts';

/** A stopped thread that can make calls. */
export interface Injectable {
  readonly tid: number;
  readonly prstatus: Uint8Array;
  readonly signalMask: bigint;
  readonly frame: SignalFrame;
  readonly gadget: Remote;
  /** Lowest address that its stack may use. */
  readonly stackBottom: bigint;
  /** Registers of which a system call destroys a part. */
  readonly lost: ExtendedState | undefined;
}

export type Preparation =
  | { readonly kind: 'ready'; readonly thread: Injectable }
  | { readonly kind: 'unfit'; readonly reason: string };

/** Whether to make the next call, given the last one's result and index. */
export type GoOn = (result: bigint, index: number) => boolean;

/** Room below the frame, in bytes: for the handler of a fault signal, or for the function. */
const ROOM_FOR_SYSCALL = 4096;
const ROOM_FOR_FUNCTION = 32768;
/** A system call that takes longer than this is given up; the thread restores itself when it returns. */
const CALL_DEADLINE_MS = 5000;
/** A call that a signal broke off is made again this often. */
const ATTEMPTS = 20;
const CODE_BEFORE_PC = 16;
/** -ERESTARTSYS … -ERESTART_RESTARTBLOCK: the kernel asks for another attempt; no program sees these. */
const FIRST_RESTART = -516n;
const LAST_RESTART = -512n;
/** Signal mask without the signals that a fault raises. */
const BLOCKED = [...FAULT_SIGNALS].reduce(
  (mask, signal) => mask & ~signalBit(signal),
  0xffff_ffff_ffff_ffffn,
);

/** Looks at a stopped thread and computes its frame. Nothing is changed that the program could notice. */
export function prepare(
  target: Target,
  tid: number,
  stoppedWith: Uint8Array,
  ways: Ways,
  mappings: readonly Mapping[],
  callsFunction: boolean,
): Preparation {
  const unfit = (reason: string): Preparation => ({ kind: 'unfit', reason });
  const { arch, memory } = target;
  const prstatus = revealRestart(target, tid, stoppedWith);
  if (prstatus === undefined) return unfit('it ended, or a signal came in between');
  const view = viewOf(prstatus);
  const pc = pcOf(target, prstatus);
  if (pc === ways.gadget)
    return unfit('it is about to make a system call with the code that would be borrowed');
  const sp = remote(view.getBigUint64(arch.registers.sp, true));
  if (inRestartableSequence(memory, tid, pc)) return unfit('it is in a restartable sequence');

  const bottom = stackBottom(memory, mappings, sp, arch.syscall.threadPointer(prstatus));
  if (bottom.kind === 'unknown') return unfit(bottom.reason);
  if (hasShadowStack(arch, tid)) return unfit('its returns are checked against a shadow stack');
  const signalMask = getSigmask(tid);
  const extendedState = readExtendedState(arch, tid);
  const frame = arch.syscall.signalFrame({
    prstatus,
    extendedState: extendedState.bytes,
    extendedStateNote: extendedState.note,
    signalMask,
    stackTop: plus(sp, -arch.syscall.redZone),
    returnWords: ways.returnWords,
    codeBeforePc: memory.tryRead(plus(pc, -CODE_BEFORE_PC), CODE_BEFORE_PC) ?? new Uint8Array(0),
    codeAtPc: codeAtPc(target, prstatus) ?? new Uint8Array(0),
  });
  if (frame === undefined)
    return unfit('its interrupted system call could not be started again, or its registers not be restored');
  const room = callsFunction ? ROOM_FOR_FUNCTION : ROOM_FOR_SYSCALL;
  const lowest = plus(frame.stackPointer, -room);
  // Pages of the mapping itself may be the guard (MADV_GUARD_INSTALL, Linux 6.13), and another's stack lie below them.
  const isThere = lowest >= bottom.at && memory.tryRead(lowest, Number(sp - lowest)) !== undefined;
  if (!isThere) return unfit('its stack has too little room left');
  const lost = arch.syscall.isLostInCalls(extendedState.bytes, extendedState.note)
    ? extendedState
    : undefined;
  const thread = { tid, prstatus, signalMask, frame, gadget: ways.gadget, stackBottom: bottom.at, lost };
  return { kind: 'ready', thread };
}

/**
 * Makes the calls one after the other and leaves the thread stopped as it was. Results of system calls are signed,
 * -errno for a failure; `goOn` sees those of system calls. PROCESS_GONE if the process ends meanwhile; SYSCALL if a function faults or takes too long.
 */
export function runCalls(
  target: Target,
  thread: Injectable,
  calls: readonly TargetCall[],
  goOn: GoOn = () => true,
): bigint[] {
  if (calls.length === 0) return [];
  const deadlineNs = deadlineIn(CALL_DEADLINE_MS);
  using _ = interruptAfter(deadlineNs);
  const run = new Run(target, thread, deadlineNs);
  run.begin();
  try {
    if (calls.some((call) => call.kind === 'function')) return runWithFunctions(target, run, calls);
    const results: bigint[] = [];
    for (const call of calls) {
      results.push(run.call(call));
      if (!goOn(results.at(-1)!, results.length - 1)) break;
    }
    return results;
  } finally {
    run.end();
  }
}

/**
 * Makes system calls of which, from the first register change on, the thread executes all even if we die: the frames
 * from which it enters them lie on its stack before it is led into the first. While we live, a call that fails ends the
 * chain: fewer results come back. BUSY if the stack has no room for so many.
 */
export function runChain(target: Target, thread: Injectable, calls: readonly SystemCall[]): bigint[] {
  const [first] = calls;
  if (first === undefined) return [];
  const frame = target.arch.syscall.chain(thread.frame, thread.gadget, calls, BLOCKED);
  if (frame.stackPointer - BigInt(ROOM_FOR_SYSCALL) < thread.stackBottom) {
    throw new SutureError(
      'BUSY',
      `the stack of thread ${thread.tid} has too little room left for ${calls.length} calls`,
    );
  }
  const deadlineNs = deadlineIn(CALL_DEADLINE_MS);
  using _ = interruptAfter(deadlineNs);
  const run = new Run(target, { ...thread, frame }, deadlineNs);
  run.begin();
  try {
    const results = [run.call(first)];
    while (results.length < calls.length && results.at(-1)! >= 0n) results.push(run.nextOfChain());
    return results;
  } finally {
    run.end();
  }
}

function runWithFunctions(target: Target, run: Run, calls: readonly TargetCall[]): bigint[] {
  const system: MakeCall = (number, ...args) => run.call({ kind: 'syscall', number, args });
  const page = openReturnPage(target, system);
  try {
    run.returnTo(page);
    return calls.map((call) => run.call(call));
  } finally {
    if (!run.lost) {
      run.returnTo(undefined);
      closeReturnPage(target, page, system);
    }
  }
}

type CallStop = 'syscall' | 'fault';

/** One borrowing of a thread. */
class Run {
  readonly #target: Target;
  readonly #thread: Injectable;
  /** As it lies in the target. */
  #frame: SignalFrame;
  readonly #deadlineNs: bigint;
  #masked = false;
  #returnPage: Remote | undefined;
  /** The thread is gone, or runs without us: there is nothing to put back. */
  #lost = false;

  constructor(target: Target, thread: Injectable, deadlineNs: bigint) {
    this.#target = target;
    this.#thread = thread;
    this.#frame = thread.frame;
    this.#deadlineNs = deadlineNs;
  }

  /** From here on the thread can restore itself. */
  begin(): void {
    const frame = this.#frame;
    this.#target.memory.write(frame.stackPointer, frame.bytes);
  }

  /** Functions return to `page`, system calls too; undefined: back to what the frame was made with. */
  returnTo(page: Remote | undefined): void {
    const frame = this.#frame;
    const offset = Number(frame.returnSlot - frame.stackPointer);
    const word = new Uint8Array(8);
    if (page === undefined) word.set(this.#thread.frame.bytes.subarray(offset, offset + 8));
    else viewOf(word).setBigUint64(0, page, true);
    this.#target.memory.write(frame.returnSlot, word);
    const bytes = frame.bytes.slice();
    bytes.set(word, offset);
    this.#frame = { ...frame, bytes };
    this.#returnPage = page;
  }

  call(call: TargetCall): bigint {
    if (call.kind === 'function') return this.#callFunction(call);
    for (let attempt = 0; ; attempt++) {
      const result = this.#callSystem(call);
      if (result < FIRST_RESTART || result > LAST_RESTART || attempt === ATTEMPTS) return result;
    }
  }

  #callSystem(call: TargetCall): bigint {
    this.#enter(call);
    this.#toSyscall(); // entry
    this.#toSyscall(); // exit
    return this.#target.arch.syscall.result(this.#registers());
  }

  /** From the exit of one call of a chain over the rt_sigreturn that leads to the next, to the next one's exit. */
  nextOfChain(): bigint {
    const facts = this.#target.arch.syscall;
    for (let stop = 0; stop < 4; stop++) {
      this.#toSyscall();
      if (stop === 0 && facts.callNumber(this.#registers()) !== facts.numbers.rtSigreturn) {
        throw new SutureError('INTERNAL', 'a chain of calls did not lead through rt_sigreturn');
      }
    }
    return facts.result(this.#registers());
  }

  #callFunction(call: TargetCall & { readonly kind: 'function' }): bigint {
    const facts = this.#target.arch.syscall;
    this.#enter(call);
    for (;;) {
      if (this.#nextStop() === 'fault') this.#giveUpFaulted(call.address);
      const entry = this.#registers();
      if (facts.callNumber(entry) === facts.numbers.rtSigreturn && this.#inReturnPage(entry)) {
        const { note, regset } = facts.skipCall(entry);
        setRegset(this.#thread.tid, note, regset);
        this.#toSyscall(); // exit of the call that was skipped
        return facts.handedOver(entry);
      }
      if (this.#nextStop() === 'fault') this.#giveUpFaulted(call.address);
    }
  }

  #inReturnPage(prstatus: Uint8Array): boolean {
    const { arch } = this.#target;
    const pc = viewOf(prstatus).getBigUint64(arch.registers.pc, true);
    return this.#returnPage !== undefined && pc - this.#returnPage <= arch.syscall.functionReturn.length;
  }

  /** Registers first: without them the thread would keep the mask for ever if we died. */
  #enter(call: TargetCall): void {
    const { tid, prstatus, gadget } = this.#thread;
    const { arch } = this.#target;
    writeRegisters(arch, tid, arch.syscall.enterCall(prstatus, this.#frame, gadget, call));
    if (!this.#masked) setSigmask(tid, BLOCKED);
    this.#masked = true;
  }

  #toSyscall(): void {
    if (this.#nextStop() === 'fault') this.#giveUpFaulted(undefined);
  }

  /** Lets the thread run to the next entry or exit of a system call, or to a fault of its own. */
  #nextStop(): CallStop {
    const { tid } = this.#thread;
    let signal = 0;
    for (;;) {
      if (!contToSyscall(tid, signal)) this.#fail(this.#target.gone());
      const status = nextReport(tid, this.#deadlineNs);
      if (status === undefined) this.#fail(this.#tooLong());
      if (status.kind !== 'stopped' || status.event === PTRACE_EVENT_EXEC) this.#fail(this.#target.gone());
      if (status.syscall) return 'syscall';
      // A signal that somebody sent is the program's; what is positive comes from the kernel (sigaction(2), si_code).
      if (status.event === 0 && FAULT_SIGNALS.has(status.signal) && getSiginfo(tid).code > 0) return 'fault';
      signal = status.event === 0 ? status.signal : 0;
    }
  }

  /** Leads the thread away from the faulting instruction; the signal is dropped, for the program did nothing wrong. */
  #giveUpFaulted(address: Remote | undefined): never {
    const { tid, prstatus, gadget } = this.#thread;
    const facts = this.#target.arch.syscall;
    const harmless: TargetCall = { kind: 'syscall', number: facts.numbers.getpid, args: [] };
    const pc = viewOf(this.#registers()).getBigUint64(this.#target.arch.registers.pc, true);
    writeRegisters(this.#target.arch, tid, facts.enterCall(prstatus, this.#frame, gadget, harmless));
    const what = address === undefined ? 'a system call' : `the function at ${hex(address)}`;
    throw new SutureError('SYSCALL', `${what} faulted at ${hex(pc)} in process ${this.#target.pid}`);
  }

  #registers(): Uint8Array {
    return getRegset(this.#thread.tid, NT_PRSTATUS);
  }

  /**
   * Puts everything back. Only at the stop that an interrupt causes does the kernel look again whether the thread's own
   * system call has to be restarted; after the exit of a system call it would not.
   */
  end(): void {
    if (this.#lost) return;
    const { tid, prstatus, signalMask } = this.#thread;
    if (!interrupt(tid) || !cont(tid)) this.#fail(this.#target.gone());
    for (;;) {
      const status = nextReport(tid, this.#deadlineNs);
      if (status === undefined) this.#fail(this.#tooLong());
      if (status.kind !== 'stopped' || status.event === PTRACE_EVENT_EXEC) this.#fail(this.#target.gone());
      if (status.event === PTRACE_EVENT_STOP) break;
      cont(tid, status.event === 0 && !status.syscall ? status.signal : 0);
    }
    // The mask first: once the registers are back, nothing else would put it right if we died.
    if (this.#masked) setSigmask(tid, signalMask);
    const { lost } = this.#thread;
    if (lost !== undefined) setRegset(tid, lost.note, lost.bytes);
    writeRegisters(this.#target.arch, tid, prstatus);
  }

  #tooLong(): SutureError {
    return new SutureError(
      'SYSCALL',
      `a call in thread ${this.#thread.tid} of process ${this.#target.pid} did not return within ${CALL_DEADLINE_MS} ms`,
    );
  }

  #fail(error: SutureError): never {
    this.#lost = true;
    throw error;
  }

  get lost(): boolean {
    return this.#lost;
  }
}
