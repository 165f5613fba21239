/**
 * A short stop: seize all threads while they run, interrupt all, then take the stop of each. One thread at a time, or
 * waiting for any thread, costs many times more once there are ten.
 */
import { SutureError } from '../base/errors.ts';
import { UndoList } from '../base/undo.ts';
import { interruptAfter } from '../sys/alarm.ts';
import { threadIds } from '../sys/procfs.ts';
import {
  interrupt,
  PTRACE_O_TRACECLONE,
  PTRACE_O_TRACEEXEC,
  PTRACE_O_TRACESYSGOOD,
  seize,
} from '../sys/ptrace.ts';
import { raisePriority } from '../sys/scheduler.ts';
import { ThreadCount } from '../sys/thread-count.ts';
import {
  __WALL,
  decodeStatus,
  NO_REPORT,
  NO_SUCH_CHILD,
  type WaitStatus,
  WNOHANG,
  waitFor,
  waitForWord,
} from '../sys/wait.ts';
import { takingEnds } from './ends.ts';
import type { Mapping } from './maps.ts';
import { explainSeize, requireWays, stoppedMeanwhile } from './remote-call.ts';
import { Roster } from './roster.ts';
import { requireNoShadowStack } from './shadow-stack.ts';
import { Stopped } from './stopped.ts';
import type { Target } from './target.ts';
import {
  type Advance,
  advance,
  deadlineIn,
  isTracedByUs,
  leaveLingering,
  letGo,
  reclaim,
  releaseHeir,
  STOP_WORD,
  settleLingering,
} from './tracee.ts';

export const STOP_OPTIONS = PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD;

export interface StopOptions {
  /** Time for all threads to stop, from the first interrupt on. */
  readonly collectDeadlineMs: number;
  /** The mappings as they were lately, if the caller knows. */
  readonly mappings?: readonly Mapping[];
  /** Called when all is ready for the first interrupt: what the caller runs or reads here is near at hand in the stop. */
  readonly onceSeized?: () => void;
  /** Called when all threads have been told to stop, while most are on their way. */
  readonly onceInterrupted?: () => void;
}

/** Everything runs again (threads that were late are let go as soon as they stop). */
export interface StopTimeout {
  readonly kind: 'timeout';
  /** The threads that did not stop in time. */
  readonly tids: readonly number[];
}

/**
 * Stops every thread. Until `release` nothing may be awaited: all of it happens on this OS thread.
 * Throws PROCESS_GONE, PROCESS_UNFIT (stopped by a signal or traced by another meanwhile) and NO_PERMISSION.
 */
export function stopAll(target: Target, options: StopOptions): Stopped | StopTimeout {
  settleLingering();
  requireNoShadowStack(target);
  const mappings = options.mappings ?? target.maps();
  const ways = requireWays(target, mappings);

  // No `using`: its disposal would be a part of the stop.
  const undo = new UndoList();
  try {
    const lowerPriority = raisePriority();
    if (lowerPriority !== undefined) undo.note('scheduling priority', lowerPriority);
    const gathering = new Gathering(target, target.threads().length);
    undo.note('tracing of what came after execve', () => releaseHeir(target));
    undo.note('tracing', () => gathering.letAllGo());

    takingEnds(target, () => gathering.seizeAll());
    const deadlineNs = deadlineIn(options.collectDeadlineMs);
    const alarm = interruptAfter(deadlineNs);
    undo.note('alarm', () => alarm[Symbol.dispose]());
    options.onceSeized?.();
    const startedNs = process.hrtime.bigint();
    const late = gathering.collectAll(deadlineNs, options.onceInterrupted);
    if (late.length > 0) return { kind: 'timeout', tids: late };

    const afterwards = () => {
      alarm[Symbol.dispose]();
      gathering.close();
      lowerPriority?.();
    };
    const keptMappings = gathering.keptMappings();
    const circumstances = { startedNs, mappings, keptMappings, ways, options: STOP_OPTIONS, afterwards };
    const stopped = new Stopped(target, gathering.roster, circumstances);
    undo.keep();
    return stopped;
  } finally {
    undo.rollBack();
  }
}

/** The threads of one process on their way to the stop. */
class Gathering {
  readonly roster: Roster;
  readonly #target: Target;
  readonly #count: ThreadCount;
  /** Whether the count of threads says what their list does: it counts zombies too. */
  #isCountExact = false;
  /** Whether every thread reported the stop that it was told to make, and nothing else. */
  #isDirect = true;

  constructor(target: Target, expected: number) {
    this.#target = target;
    this.#count = countOf(target);
    this.roster = new Roster(target.arch, expected);
  }

  /**
   * Threads of threads that are traced are traced from birth; so once a look at all threads finds none that is not,
   * there are no others. What a look missed because it raced with a thread's end is found by the last one, when all
   * stand still.
   */
  seizeAll(): void {
    while (this.#seizeNew() > 0);
    let running = 0;
    for (let i = 0; i < this.roster.size; i++) if (this.roster.isRunning(i)) running++;
    if (running === 0) throw this.#target.gone();
    this.#isCountExact = this.#count.now() === running;
  }

  /** Seizes the threads that are not in the roster. How many were. */
  #seizeNew(): number {
    let found = 0;
    for (const tid of threadIds(this.#target.pid)) {
      if (this.roster.has(tid)) continue;
      const isSeized = this.#seize(tid);
      this.roster.add(tid, !isSeized);
      if (isSeized) found++;
    }
    return found;
  }

  #seize(tid: number): boolean {
    if (reclaim(tid)) return true;
    try {
      seize(tid, STOP_OPTIONS);
      return true;
    } catch (error) {
      // Traced already: born of a traced thread after the look began.
      return isTracedByUs(this.#target.pid, tid) || explainSeize(this.#target, tid, error);
    }
  }

  /** Threads that did not stop before the deadline; empty if all stand still. `interruptAfter` is armed with it. */
  collectAll(deadlineNs: bigint, onceInterrupted?: () => void): readonly number[] {
    const { roster } = this;
    for (let next = 0; ; ) {
      for (let i = next; i < roster.size; i++) if (roster.isRunning(i)) interrupt(roster.tid(i));
      if (next === 0) onceInterrupted?.();
      else this.#isDirect = false;
      // The roster grows by the threads that are born meanwhile, which stop by themselves.
      for (; next < roster.size; next++) if (!this.#collect(next, deadlineNs)) return this.#stragglers();
      if (this.#isComplete() || this.#seizeNew() === 0) break;
    }
    if (roster.standing() === 0) throw this.#target.gone();
    roster.fetch();
    return [];
  }

  /** All threads of the process stand still, as far as their number tells. */
  #isComplete(): boolean {
    return this.#isCountExact && this.#count.now() === this.roster.standing();
  }

  /**
   * Whether the mappings are what they were when all threads had been told to stop: each thread has made one system call
   * since then at the most, and its registers name it.
   */
  keptMappings(): boolean {
    const { lastCall } = this.#target.arch.syscall;
    return (
      this.#isDirect && lastCall !== undefined && this.roster.allHave(lastCall.at, lastCall.keepMappings)
    );
  }

  /** Takes one thread to its stop or its end; false if the deadline passed. */
  #collect(index: number, deadlineNs: bigint): boolean {
    const { roster } = this;
    const tid = roster.tid(index);
    while (roster.isRunning(index)) {
      const word = waitForWord(tid, __WALL);
      if (word === STOP_WORD) roster.stand(index);
      else if (word !== NO_REPORT) this.#take(index, advance(reportOf(tid, word)));
      else if (process.hrtime.bigint() >= deadlineNs) return false;
    }
    return true;
  }

  /** Those that really run: of the others the stop was only not taken yet. */
  #stragglers(): readonly number[] {
    const { roster } = this;
    const late: number[] = [];
    for (let i = 0; i < roster.size; i++) {
      if (roster.isRunning(i)) this.#take(i, advance(waitFor(roster.tid(i), WNOHANG | __WALL)));
      if (roster.isRunning(i)) late.push(roster.tid(i));
    }
    return late;
  }

  #take(index: number, step: Advance): void {
    const { roster } = this;
    this.#isDirect = false;
    switch (step.kind) {
      case 'nothing':
        break;
      case 'again':
        if (step.born !== undefined && !roster.has(step.born)) roster.add(step.born);
        break;
      case 'gone':
        roster.end(index);
        break;
      case 'stopped':
        roster.stand(index);
        break;
      case 'group-stopped':
        roster.stand(index);
        throw stoppedMeanwhile(this.#target, step.signal);
      case 'exec':
        roster.stand(index);
        throw new SutureError(
          'PROCESS_GONE',
          `process ${this.#target.pid} (${this.#target.comm}) began to execute another program`,
        );
      default:
        step satisfies never;
    }
  }

  letAllGo(): void {
    const { roster } = this;
    for (let i = 0; i < roster.size; i++) {
      if (roster.isStanding(i)) letGo(roster.tid(i));
      else if (roster.isRunning(i)) leaveLingering(roster.tid(i));
    }
    this.close();
  }

  close(): void {
    this.#count[Symbol.dispose]();
  }
}

function countOf(target: Target): ThreadCount {
  try {
    return new ThreadCount(target.pid);
  } catch (error) {
    if (target.alive()) throw error;
    throw target.gone();
  }
}

const reportOf = (tid: number, word: number): WaitStatus =>
  word === NO_SUCH_CHILD ? { kind: 'no-child' } : decodeStatus(tid, word);
