import type { TargetCall } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { UndoList } from '../base/undo.ts';
import { EPERM, SystemError } from '../sys/errno.ts';
import { parseActivity, parseStat, readProc } from '../sys/procfs.ts';
import { interrupt, PTRACE_O_TRACESYSGOOD, seize } from '../sys/ptrace.ts';
import { raisePriority, sleepMicroseconds } from '../sys/scheduler.ts';
import { type RegisterFile, registersFromPrstatus } from '../unwind/frame.ts';
import { takingEnds } from './ends.ts';
import { type GoOn, prepare, runCalls } from './inject.ts';
import type { Mapping } from './maps.ts';
import { readRegisters } from './registers.ts';
import { suspendSeccomp } from './seccomp.ts';
import { requireNoShadowStack } from './shadow-stack.ts';
import type { Target } from './target.ts';
import {
  collect,
  deadlineIn,
  leaveLingering,
  letGo,
  reclaim,
  releaseHeir,
  settleLingering,
} from './tracee.ts';
import { findWays, type Ways } from './ways.ts';

export type RemoteCall = TargetCall;

export interface RemoteCallOptions {
  /** Time for finding a thread that can make the calls; 2000. The calls themselves are not counted. */
  readonly deadlineMs?: number;
  /** Why a stopped thread with these registers may not make the calls; undefined if it may. */
  readonly objection?: ((registers: RegisterFile) => string | undefined) | undefined;
  /** Asked between system calls; false makes the last one that was made the last one. Without functions only. */
  readonly goOn?: GoOn;
}

/** Threads that are looked at to find the best. */
const LOOKED_AT = 32;
/** Time for one thread to stop. */
const STOP_DEADLINE_MS = 50;

/**
 * Makes system calls and calls of functions through one thread of a running process, in order, while the others run.
 * The thread goes on where it was, also if we are killed at any moment. Results of system calls are signed, -errno for
 * a failure; those of functions are unsigned words.
 *
 * Throws PROCESS_GONE; PROCESS_UNFIT (seccomp, shadow stack, stopped, no way to make a system call); NO_PERMISSION;
 * BUSY when no thread is in a state to do it within the deadline; SYSCALL when a function faults or does not return.
 */
export function remoteCall(
  target: Target,
  calls: readonly RemoteCall[],
  options: RemoteCallOptions = {},
): bigint[] {
  requireNoShadowStack(target);
  const deadlineNs = deadlineIn(options.deadlineMs ?? 2000);
  for (let pause = 500; ; pause = Math.min(pause * 2, 20_000)) {
    settleLingering();
    const mappings = target.maps();
    const ways = requireWays(target, mappings);
    const reasons: string[] = [];
    for (const tid of threadsByPreference(target, options.objection !== undefined)) {
      const outcome = callThrough(target, tid, ways, mappings, calls, options);
      if (typeof outcome !== 'string') return outcome;
      reasons.push(`thread ${tid}: ${outcome}`);
    }
    if (!target.alive()) throw target.gone();
    if (target.status().State === 'T') throw stoppedMeanwhile(target);
    if (process.hrtime.bigint() > deadlineNs) {
      throw new SutureError(
        'BUSY',
        `no thread of process ${target.pid} (${target.comm}) can make a system call now: ${reasons.slice(0, 3).join('; ') || 'all are in uninterruptible waits'}`,
        { remedy: 'try again later' },
      );
    }
    sleepMicroseconds(pause);
  }
}

/** Throws PROCESS_UNFIT if the program holds no code to make a system call with. */
export function requireWays(target: Target, mappings: readonly Mapping[]): Ways {
  const ways = findWays(target, mappings);
  if (ways !== undefined) return ways;
  throw new SutureError(
    'PROCESS_UNFIT',
    `process ${target.pid} (${target.comm}) holds no code with which a system call could be made and returned from`,
    { remedy: 'this program cannot be patched while it runs' },
  );
}

/** The results, or why this thread cannot do it. */
function callThrough(
  target: Target,
  tid: number,
  ways: Ways,
  mappings: readonly Mapping[],
  calls: readonly RemoteCall[],
  { goOn, objection }: RemoteCallOptions,
): bigint[] | string {
  using undo = new UndoList();
  const lowerPriority = raisePriority();
  if (lowerPriority !== undefined) undo.note('scheduling priority', lowerPriority);

  undo.note('tracing of what came after execve', () => releaseHeir(target));
  if (!reclaim(tid) && !takingEnds(target, () => trySeize(target, tid))) return 'it ended';
  if (!interrupt(tid)) {
    leaveLingering(tid);
    return 'it ended';
  }
  const stop = collect(tid, deadlineIn(STOP_DEADLINE_MS));
  switch (stop.kind) {
    case 'gone':
      return 'it ended';
    case 'nothing':
    case 'again':
      leaveLingering(tid);
      return `it did not stop within ${STOP_DEADLINE_MS} ms`;
    default:
      undo.note('tracing', () => letGo(tid));
  }
  if (stop.kind === 'exec') throw target.gone();
  if (stop.kind === 'group-stopped') throw stoppedMeanwhile(target, stop.signal);

  const callsFunction = calls.some((call) => call.kind === 'function');
  const prstatus = readRegisters(target.arch, tid);
  const prepared = prepare(target, tid, prstatus, ways, mappings, callsFunction);
  if (prepared.kind === 'unfit') return prepared.reason;
  const reason = objection?.(registersFromPrstatus(target.arch, prstatus));
  if (reason !== undefined) return reason;
  undo.note('seccomp filter', suspendSeccomp(target, tid, PTRACE_O_TRACESYSGOOD));
  return runCalls(target, prepared.thread, calls, goOn);
}

export function stoppedMeanwhile(target: Target, signal?: number): SutureError {
  return new SutureError(
    'PROCESS_UNFIT',
    `process ${target.pid} (${target.comm}) was stopped by ${signal === undefined ? 'a signal' : `signal ${signal}`}`,
    { remedy: `resume it: kill -CONT ${target.pid}` },
  );
}

/** False if the thread is gone. NO_PERMISSION if it may not be traced, PROCESS_UNFIT if another does. */
function trySeize(target: Target, tid: number): boolean {
  try {
    seize(tid, PTRACE_O_TRACESYSGOOD);
    return true;
  } catch (error) {
    return explainSeize(target, tid, error);
  }
}

/** What a failed seize means: false for a thread that is gone, otherwise an error that says who is in the way. */
export function explainSeize(target: Target, tid: number, error: unknown): false {
  if (!(error instanceof SystemError)) throw error;
  if (error.code === 'PROCESS_GONE') return false;
  if (error.errno !== EPERM) throw error;
  const state = readProc(`${target.pid}/task/${tid}/stat`);
  // A thread that has ended but was not waited for cannot be traced either.
  if (state === undefined || 'ZX'.includes(parseStat(state).state)) return false;
  const { TracerPid } = target.status();
  if (TracerPid === 0) throw error;
  const tracer = readProc(`${TracerPid}/comm`)?.trim() ?? 'unknown';
  throw new SutureError(
    'PROCESS_UNFIT',
    `process ${target.pid} (${target.comm}) is traced by process ${TracerPid} (${tracer})`,
    { remedy: `end ${tracer} or let it detach` },
  );
}

/**
 * Threads that can be stopped now, the least disturbed first: blocked in a call that is simply started again, running,
 * blocked with a time limit, and last those whose call fails with EINTR after any stop. A thread in an uninterruptible
 * wait (a vfork parent, for one) does not stop.
 */
function threadsByPreference(target: Target, all: boolean): number[] {
  const tids = target.threads();
  const step = Math.max(1, tids.length / LOOKED_AT);
  const ranked: { readonly tid: number; readonly rank: number }[] = [];
  for (let index = 0; Math.floor(index) < tids.length; index += step) {
    const tid = tids[Math.floor(index)]!;
    const rank = rankOf(target, tid);
    if (rank !== undefined) ranked.push({ tid, rank });
    if (rank === 0 && !all) break;
  }
  return ranked.sort((one, other) => one.rank - other.rank).map(({ tid }) => tid);
}

function rankOf(target: Target, tid: number): number | undefined {
  const stat = readProc(`${target.pid}/task/${tid}/stat`);
  if (stat === undefined) return undefined;
  const { state } = parseStat(stat);
  if (state !== 'R' && state !== 'S') return undefined;
  const text = readProc(`${target.pid}/task/${tid}/syscall`);
  return text === undefined ? 1 : rankOfActivity(target, text);
}

function rankOfActivity(target: Target, text: string): number {
  const activity = parseActivity(text);
  const { patientCalls, fragileCalls } = target.arch.syscall;
  if (activity.kind !== 'in-call') return 1;
  if (patientCalls.has(activity.number)) return 0;
  return fragileCalls.has(activity.number) ? 3 : 2;
}
