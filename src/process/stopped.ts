import type { SystemCall, TargetCall } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { type RegisterFile, registersFromPrstatus } from '../unwind/frame.ts';
import { type Injectable, prepare, runCalls, runChain } from './inject.ts';
import { type Mapping, mappingAt } from './maps.ts';
import { codeAtPc } from './restart.ts';
import type { Roster } from './roster.ts';
import { suspendSeccomp } from './seccomp.ts';
import type { Target } from './target.ts';
import { letGo, releaseHeir } from './tracee.ts';
import type { Ways } from './ways.ts';

export interface StoppedThread {
  readonly tid: number;
  readonly registers: RegisterFile;
  readonly prstatus: Uint8Array;
}

/** What `stopAll` hands over. */
export interface StopCircumstances {
  readonly startedNs: bigint;
  readonly mappings: readonly Mapping[];
  /** Whether the mappings are what they were when all threads had been told to stop. */
  readonly keptMappings: boolean;
  readonly ways: Ways;
  /** PTRACE_O_* of every thread. */
  readonly options: number;
  /** To be done when all threads run again. */
  readonly afterwards: () => void;
}

/** A process whose threads all stand still. Nothing may be awaited while one exists; `using` or `release` ends it. */
export class Stopped implements Disposable {
  /** process.hrtime.bigint() at the first interrupt. */
  readonly stoppedAtNs: bigint;
  readonly #roster: Roster;
  readonly #circumstances: StopCircumstances;
  #mappings: readonly Mapping[];
  #threads: readonly StoppedThread[] | undefined;
  #released: { readonly heldMicroseconds: number } | undefined;

  constructor(
    readonly target: Target,
    roster: Roster,
    circumstances: StopCircumstances,
  ) {
    this.#roster = roster;
    this.#circumstances = circumstances;
    this.#mappings = circumstances.mappings;
    this.stoppedAtNs = circumstances.startedNs;
  }

  /** Whether the mappings are for certain what they were when all threads had been told to stop. */
  get keptMappings(): boolean {
    return this.#circumstances.keptMappings;
  }

  /** All threads by ascending id. For hundreds of them it takes a while: what many are asked for is in the columns. */
  get threads(): readonly StoppedThread[] {
    this.#threads ??= Array.from({ length: this.size }, (_, index) => index)
      .filter((index) => this.isHeld(index))
      .map((index) => this.thread(index))
      .sort((one, other) => one.tid - other.tid);
    return this.#threads;
  }

  /** Threads have indices below this; some may be of threads that ended before they were stopped. */
  get size(): number {
    return this.#roster.size;
  }

  isHeld(index: number): boolean {
    return this.#roster.isStanding(index);
  }

  tid(index: number): number {
    return this.#roster.tid(index);
  }

  thread(index: number): StoppedThread {
    const prstatus = this.#roster.prstatus(index);
    const registers = registersFromPrstatus(this.target.arch, prstatus);
    return { tid: this.#roster.tid(index), prstatus, registers };
  }

  /** Bytes of one thread's registers (registers.ts). */
  get registersSize(): number {
    return this.#roster.registersSize;
  }

  /** The registers of thread after thread, as 32-bit halves of words, the lower first. Also after the release. */
  registerHalves(): Uint32Array {
    return this.#roster.registerHalves();
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
    for (let i = 0; i < this.#roster.size; i++) if (this.#roster.isStanding(i)) letGo(this.#roster.tid(i));
    const heldMicroseconds = Number(process.hrtime.bigint() - this.stoppedAtNs) / 1000;
    this.#released = { heldMicroseconds };
    this.#circumstances.afterwards();
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

  /**
   * Threads blocked in calls that are simply started again first, those whose call fails after any stop last. The first
   * one is nearly always taken, so none is looked at before its turn.
   */
  *#byPreference(): Generator<{ readonly tid: number; readonly prstatus: Uint8Array }> {
    const { syscall } = this.target.arch;
    const rankOf = (prstatus: Uint8Array): number => {
      const call = syscall.interruptedCall(prstatus, () => codeAtPc(this.target, prstatus));
      if (call === undefined) return 1;
      return syscall.patientCalls.has(call.number) ? 0 : 2;
    };
    for (let rank = 0; rank <= 2; rank++) {
      for (let i = 0; i < this.size; i++) {
        if (!this.isHeld(i)) continue;
        const prstatus = this.#roster.prstatus(i);
        if (rankOf(prstatus) === rank) yield { tid: this.tid(i), prstatus };
      }
    }
  }
}
