/**
 * Calls that the kernel goes on with for the rest of their time. Where it has moved the pc back to the call before a tracer
 * sees the thread, the registers do not tell such a call from a new one, and a thread that is led elsewhere and back would
 * begin it again with its whole time.
 */
import { SutureError } from '../base/errors.ts';
import { plus, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { interruptAfter } from '../sys/alarm.ts';
import { cont, contToSyscall, interrupt, PTRACE_EVENT_EXEC, PTRACE_EVENT_STOP } from '../sys/ptrace.ts';
import { readRegisters } from './registers.ts';
import type { Target } from './target.ts';
import { deadlineIn, nextReport } from './tracee.ts';

/** Enough for every instruction. */
const CODE_SIZE = 16;
/** The first shows a call that went on already, the second one that had not begun. */
const ATTEMPTS = 2;
const DEADLINE_MS = 50;

export const pcOf = ({ arch }: Target, prstatus: Uint8Array): Remote =>
  remote(viewOf(prstatus).getBigUint64(arch.registers.pc, true));

/** Code from the pc on: 16 bytes, or fewer where memory ends; undefined where there is none. */
export function codeAtPc(target: Target, prstatus: Uint8Array): Uint8Array | undefined {
  const pc = pcOf(target, prstatus);
  return target.memory.tryRead(pc, CODE_SIZE) ?? target.memory.tryRead(plus(pc, 0), 4);
}

/**
 * The registers of a thread that stands at an interrupt's stop, such that going on with them goes on with the call that it
 * is in. Where they do not show it, the thread is let to the entry of its call, at which the kernel has named it
 * restart_syscall, and is interrupted there again. Undefined if the thread ended or is busy with a signal.
 */
export function revealRestart(target: Target, tid: number, prstatus: Uint8Array): Uint8Array | undefined {
  const facts = target.arch.syscall;
  if (facts.hidesRestart === undefined) return prstatus;
  const isHidden = (registers: Uint8Array): boolean =>
    facts.interruptedCall(registers, () => codeAtPc(target, registers)) !== undefined &&
    facts.hidesRestart?.(registers) === true;
  let registers = prstatus;
  for (let attempt = 0; attempt < ATTEMPTS && isHidden(registers); attempt++) {
    if (!throughEntry(tid)) return undefined;
    registers = readRegisters(target.arch, tid);
  }
  return registers;
}

/** To the entry of the call that the thread is about to make, and by an interrupt back to before it. */
function throughEntry(tid: number): boolean {
  const deadlineNs = deadlineIn(DEADLINE_MS);
  using _ = interruptAfter(deadlineNs);
  if (!contToSyscall(tid)) return false;
  let isInterrupted = false;
  for (;;) {
    const status = nextReport(tid, deadlineNs);
    // It would have to hang between the stop and the entry of its call.
    if (status === undefined) throw new SutureError('BUSY', `thread ${tid} does not come back to its stop`);
    if (status.kind !== 'stopped' || status.event === PTRACE_EVENT_EXEC) return false;
    if (status.event === PTRACE_EVENT_STOP) return true;
    if (!isInterrupted && !interrupt(tid)) return false;
    isInterrupted = true;
    if (!cont(tid, status.event === 0 && !status.syscall ? status.signal : 0)) return false;
  }
}
