import type { SystemCall, TargetCall } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { readBatch } from '../sys/memory.ts';
import { getRegset, NT_PRSTATUS } from '../sys/ptrace.ts';
import { type RegisterFile, registersFromPrstatus } from '../unwind/frame.ts';
import { type Injectable, prepare, runCalls, runChain } from './inject.ts';
import { type Mapping, mappingAt } from './maps.ts';
import { suspendSeccomp } from './seccomp.ts';
import type { Target } from './target.ts';
import { letGo, releaseHeir } from './tracee.ts';
import type { Ways } from './ways.ts';

export interface StoppedThread {
  readonly tid: number;
  readonly registers: RegisterFile;
  readonly prstatus: Uint8Array;
}

export interface StackPiece {
  readonly tid: number;
  /** The stack pointer. */
  readonly at: Remote;
  /** From there upward, as much as is mapped; may be shorter than asked for. */
  readonly bytes: Uint8Array;
}

/** What `stopAll` hands over. */
export interface StopCircumstances {
  readonly startedNs: bigint;
  readonly mappings: readonly Mapping[];
  readonly ways: Ways;
  /** PTRACE_O_* of every thread. */
  readonly options: number;
  readonly lowerPriority: (() => void) | undefined;
}

/** A process whose threads all stand still. Nothing may be awaited while one exists; `using` or `release` ends it. */
export class Stopped implements Disposable {
  readonly threads: readonly StoppedThread[];
  /** process.hrtime.bigint() at the first interrupt. */
  readonly stoppedAtNs: bigint;
  readonly #circumstances: StopCircumstances;
  #mappings: readonly Mapping[];
  #released: { readonly heldMicroseconds: number } | undefined;

  constructor(
    readonly target: Target,
    tids: readonly number[],
    circumstances: StopCircumstances,
  ) {
    this.#circumstances = circumstances;
    this.#mappings = circumstances.mappings;
    this.stoppedAtNs = circumstances.startedNs;
    this.threads = tids.map((tid) => {
      const prstatus = getRegset(tid, NT_PRSTATUS);
      return { tid, prstatus, registers: registersFromPrstatus(target.arch, prstatus) };
    });
  }

  /** The top of every stack in one system call, at most `bytesEach` of each, in the order of `threads`. */
  readStacks(bytesEach: number): StackPiece[] {
    const ranges = this.threads.map(({ prstatus }) => {
      const at = this.#stackPointer(prstatus);
      const mapping = this.#mappingOf(at);
      const size = mapping === undefined ? 0 : Math.min(bytesEach, Number(mapping.end - at));
      return { at, size };
    });
    const pieces = readBatch(this.target.pid, ranges);
    return this.threads.map(({ tid }, index) => ({
      tid,
      at: ranges[index]!.at,
      bytes: pieces[index] ?? new Uint8Array(0),
    }));
  }

  /**
   * As `remoteCall`, through one of the stopped threads; all of them stay stopped. BUSY with the reasons if none can
   * make calls now.
   */
  call(calls: readonly TargetCall[]): bigint[] {
    const callsFunction = calls.some((call) => call.kind === 'function');
    return this.#through(callsFunction, (thread) => runCalls(this.target, thread, calls));
  }

  /**
   * System calls of which the target executes all, or none, even if we die in between: then in the microseconds in
   * which one of its threads does so the others run too. While we live, a call that fails is the last: fewer results.
   */
  callTogether(calls: readonly SystemCall[]): bigint[] {
    return this.#through(false, (thread) => runChain(this.target, thread, calls));
  }

  #through(callsFunction: boolean, run: (thread: Injectable) => bigint[]): bigint[] {
    const { ways, options } = this.#circumstances;
    const reasons: string[] = [];
    for (const { tid, prstatus } of this.#byPreference()) {
      this.#mappingOf(this.#stackPointer(prstatus));
      const prepared = prepare(this.target, tid, prstatus, ways, this.#mappings, callsFunction);
      if (prepared.kind === 'unfit') {
        reasons.push(`thread ${tid}: ${prepared.reason}`);
        continue;
      }
      const resumeSeccomp = suspendSeccomp(this.target, tid, options);
      try {
        return run(prepared.thread);
      } finally {
        resumeSeccomp();
      }
    }
    throw new SutureError(
      'BUSY',
      `no thread of process ${this.target.pid} (${this.target.comm}) can make a system call now: ${reasons.slice(0, 3).join('; ')}`,
      { remedy: 'try again later' },
    );
  }

  /** Lets every thread go on. Microseconds from the first interrupt to the last detach. May be called again. */
  release(): { readonly heldMicroseconds: number } {
    if (this.#released !== undefined) return this.#released;
    for (const { tid } of this.threads) letGo(tid);
    const heldMicroseconds = Number(process.hrtime.bigint() - this.stoppedAtNs) / 1000;
    this.#released = { heldMicroseconds };
    this.#circumstances.lowerPriority?.();
    releaseHeir(this.target);
    return this.#released;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  #stackPointer(prstatus: Uint8Array): Remote {
    return remote(viewOf(prstatus).getBigUint64(this.target.arch.registers.sp, true));
  }

  /** The list of mappings is from before the stop; a stack that is younger makes it be read again. */
  #mappingOf(at: Remote): Mapping | undefined {
    const mapping = mappingAt(this.#mappings, at);
    if (mapping !== undefined || this.#mappings !== this.#circumstances.mappings) return mapping;
    this.#mappings = this.target.maps();
    return mappingAt(this.#mappings, at);
  }

  /** Threads blocked in calls that are simply started again first, those whose call fails after any stop last. */
  #byPreference(): StoppedThread[] {
    const { syscall } = this.target.arch;
    const rank = ({ prstatus }: StoppedThread): number => {
      const call = syscall.interruptedCall(prstatus);
      if (call === undefined) return 1;
      return syscall.patientCalls.has(call.number) ? 0 : 2;
    };
    return [...this.threads].sort((one, other) => rank(one) - rank(other));
  }
}
