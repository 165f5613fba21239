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
import { __WALL, WNOHANG, waitFor } from '../sys/wait.ts';
import { takingEnds } from './ends.ts';
import { explainSeize, requireWays, stoppedMeanwhile } from './remote-call.ts';
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
  nextReport,
  reclaim,
  releaseHeir,
  settleLingering,
} from './tracee.ts';

export const STOP_OPTIONS = PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD;

export interface StopOptions {
  /** Time for all threads to stop, from the first interrupt on. */
  readonly collectDeadlineMs: number;
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
  const mappings = target.maps();
  const ways = requireWays(target, mappings);

  using undo = new UndoList();
  const lowerPriority = raisePriority();
  if (lowerPriority !== undefined) undo.note('scheduling priority', lowerPriority);
  const gathering = new Gathering(target);
  undo.note('tracing of what came after execve', () => releaseHeir(target));
  undo.note('tracing', () => gathering.letAllGo());

  takingEnds(target, () => gathering.seizeAll());
  const startedNs = process.hrtime.bigint();
  const late = gathering.collectAll(deadlineIn(options.collectDeadlineMs));
  if (late.length > 0) return { kind: 'timeout', tids: late };

  const stopped = new Stopped(target, gathering.stopped, {
    startedNs,
    mappings,
    ways,
    options: STOP_OPTIONS,
    lowerPriority,
  });
  undo.keep();
  return stopped;
}

/** The threads of one process on their way to the stop. */
class Gathering {
  readonly #target: Target;
  /** Traced, and not known to stand still. */
  readonly #running = new Set<number>();
  readonly #stopped = new Set<number>();
  readonly #ended = new Set<number>();

  constructor(target: Target) {
    this.#target = target;
  }

  get stopped(): number[] {
    return [...this.#stopped].sort((one, other) => one - other);
  }

  /**
   * Threads of threads that are traced are traced from birth; so once a look at all threads finds none that is not,
   * there are no others. What a look missed because it raced with a thread's end is found by the last one, when all
   * stand still.
   */
  seizeAll(): void {
    while (this.#seizeNew().length > 0);
    if (this.#running.size === 0) throw this.#target.gone();
  }

  #seizeNew(): number[] {
    const found: number[] = [];
    for (const tid of threadIds(this.#target.pid)) {
      if (this.#running.has(tid) || this.#stopped.has(tid) || this.#ended.has(tid)) continue;
      if (!this.#seize(tid)) {
        this.#ended.add(tid);
        continue;
      }
      this.#running.add(tid);
      found.push(tid);
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

  /** Threads that did not stop before the deadline; empty if all stand still. */
  collectAll(deadlineNs: bigint): readonly number[] {
    using _ = interruptAfter(deadlineNs);
    for (const tid of this.#running) interrupt(tid);
    for (;;) {
      // A Set's iteration goes on to the threads that are born meanwhile.
      for (const tid of this.#running) {
        if (!this.#collect(tid, deadlineNs)) return this.#stragglers();
      }
      const found = this.#seizeNew();
      if (found.length === 0) break;
      for (const tid of found) interrupt(tid);
    }
    if (this.#stopped.size === 0) throw this.#target.gone();
    return [];
  }

  /** Takes one thread to its stop or its end; false if the deadline passed. */
  #collect(tid: number, deadlineNs: bigint): boolean {
    while (this.#running.has(tid)) {
      const status = nextReport(tid, deadlineNs);
      if (status === undefined) return false;
      this.#take(tid, advance(status));
    }
    return true;
  }

  /** Those that really run: of the others the stop was only not taken yet. */
  #stragglers(): readonly number[] {
    for (const tid of this.#running) {
      const step = advance(waitFor(tid, WNOHANG | __WALL));
      if (step.kind !== 'nothing') this.#take(tid, step);
    }
    return [...this.#running];
  }

  #take(tid: number, step: Advance): void {
    switch (step.kind) {
      case 'nothing':
        break;
      case 'again':
        if (step.born !== undefined && !this.#ended.has(step.born)) this.#running.add(step.born);
        break;
      case 'gone':
        this.#running.delete(tid);
        this.#ended.add(tid);
        break;
      case 'stopped':
        this.#stand(tid);
        break;
      case 'group-stopped':
        this.#stand(tid);
        throw stoppedMeanwhile(this.#target, step.signal);
      case 'exec':
        this.#stand(tid);
        throw new SutureError(
          'PROCESS_GONE',
          `process ${this.#target.pid} (${this.#target.comm}) began to execute another program`,
        );
      default:
        step satisfies never;
    }
  }

  #stand(tid: number): void {
    this.#running.delete(tid);
    this.#stopped.add(tid);
  }

  letAllGo(): void {
    for (const tid of this.#stopped) letGo(tid);
    for (const tid of this.#running) leaveLingering(tid);
  }
}
