/** Stopping a target, looking at its threads, and changing it, again and again until it is safe or time is up. */
import { SutureError } from '../base/errors.ts';
import { onChild } from '../process/rehearse.ts';
import { stopAll } from '../process/stop.ts';
import type { Stopped } from '../process/stopped.ts';
import type { Target } from '../process/target.ts';
import { readProc } from '../sys/procfs.ts';
import { atOrdinaryPriority, sleepMicroseconds } from '../sys/scheduler.ts';
import type { ContextList } from '../unwind/context-list.ts';
import { commitChanges, type HeldAccess, rehearsedChange } from './change.ts';
import { findLists } from './contexts.ts';
import { IdleStacks } from './idle-stacks.ts';
import { blockersOf, judgeThreads, type Observer } from './observe.ts';
import { StackOverview } from './own-stacks.ts';
import type { Region } from './region.ts';
import type { Blocker, ForbiddenRange, Obstacle, Verdict } from './safety.ts';
import { sleepingThreads } from './sleeping-threads.ts';
import { Snapshot } from './snapshot.ts';
import { StackLike } from './stack-like.ts';
import { StackOwners } from './stack-owners.ts';
import { NO_THREAD } from './suspended.ts';
import { unwindModules } from './unwind-modules.ts';
import type { MappingView, TryRead } from './view.ts';

export interface StopLimits {
  /** Milliseconds that a stop may last, not counting what the number of threads costs at the least. */
  readonly maxStopMs: number;
  /** Milliseconds after which trying ends. */
  readonly timeoutMs: number;
  /** Where programs keep suspended contexts. */
  readonly stacks?: readonly ContextList[];
}

export const DEFAULT_LIMITS: StopLimits = { maxStopMs: 20, timeoutMs: 10_000 };

export type StopResult =
  | {
      readonly kind: 'done';
      readonly heldMicroseconds: number;
      readonly attempts: number;
      /** Of every thread, in the stop. */
      readonly stackPointers: readonly bigint[];
    }
  | {
      readonly kind: 'busy';
      readonly heldMicroseconds: number;
      readonly attempts: number;
      readonly reason: string;
      readonly blockers: readonly Blocker[];
    };

/** What one thread costs at the least, in milliseconds: its interrupt, its stop, a look at its stack. */
const THREAD_COST_MS = 0.1;
const FIRST_PAUSE_MS = 1;
const REHEARSAL_MS = 30;
const LONGEST_PAUSE_MS = 100;

/** What may be done to a process whose threads are held. */
export function heldAccess(stopped: Stopped): HeldAccess {
  const { memory } = stopped.target;
  return {
    read: (at, size) => memory.read(at, size),
    write: (at, bytes) => memory.write(at, bytes),
    call: (calls) => stopped.call(calls),
    callTogether: (calls) => stopped.callTogether(calls),
  };
}

/** Everything that looking at the threads of a process needs, read before it is stopped. */
export function observerOf(
  snapshot: Snapshot,
  regions: readonly Region[],
  stacks: readonly ContextList[] = [],
): Observer {
  return {
    arch: snapshot.arch,
    modules: unwindModules(snapshot.modules(), regions, snapshot.memory.tryRead),
    maps: snapshot.maps(),
    residentRuns: (start, end) => snapshot.residentRuns(start, end),
    contexts: findLists(snapshot.arch, stacks, snapshot.modules()),
    owners: new StackOwners(snapshot.arch, snapshot.modules()),
  };
}

/** Rounds of rehearsal; later ones are hardly shorter. */
const ROUNDS = 24;
let isRehearsed = false;
/** Tables by which stacks have been walked in a rehearsal. */
const walked = new WeakSet<NonNullable<Observer['modules'][number]['frames']>>();
const VDSO = '[vdso]';

/**
 * Goes through whole stops of a child of our own: the same calls on the same kinds of
 * values as in the stop that counts, up to a write.
 */
function rehearseStops(forbidden: readonly ForbiddenRange[], limits: StopLimits): void {
  onChild((target) => {
    const { arch, memory } = target;
    const snapshot = new Snapshot(target);
    const observer = observerOf(snapshot, []);
    const at = snapshot.maps().find(({ execute }) => execute)!.start;
    const change = rehearsedChange(memory.read(at, arch.jump.size), at);
    const call = { kind: 'syscall', number: arch.syscall.numbers.getpid, args: [] } as const;
    const read: TryRead = (from, size) => memory.tryRead(from, size);
    new StackOverview(arch, observer.maps, forbidden).rehearse();
    const idle = new IdleStacks(observer, forbidden);
    // On a busy machine a round takes many times longer, most of it waiting for a processor.
    const end = performance.now() + REHEARSAL_MS;
    for (let round = 0; round < ROUNDS && performance.now() < end; round++) {
      const once = (): Attempt =>
        attempt(target, observer, idle, forbidden, limits, (stopped) => {
          commitChanges(arch, [change], heldAccess(stopped));
          if (round > 2) return;
          const surroundings = { stackLike: new StackLike(observer.maps), threadPointers: () => [] };
          judgeThreads(observer, stopped.threads, surroundings, forbidden, read, () => false);
          stopped.call([call]);
        });
      if (round === 0) once();
      else atOrdinaryPriority(once);
    }
  });
}

/**
 * Walks the stacks of threads that are blocked in system calls as far as is possible without stopping them. The result
 * means nothing; the code has been run and the tables that matter have been read, so that the stop is short.
 */
export function rehearse(
  target: Target,
  observer: Observer,
  forbidden: readonly ForbiddenRange[],
  limits: StopLimits,
): void {
  // Once in the life of this program: what is compiled stays so. The tables are those of each process.
  const rounds = isRehearsed ? 1 : 3;
  if (!isRehearsed) rehearseStops(forbidden, limits);
  isRehearsed = true;
  searchOwners(target, observer);
  const tables = observer.modules.flatMap(({ name, frames }) => (frames && name !== VDSO ? [frames] : []));
  const stacks = new StackLike(observer.maps).untouched();
  // A hundred processes of one program have the same tables.
  if (stacks.length <= 1 && tables.length > 0 && tables.every((frames) => walked.has(frames))) return;
  for (const frames of tables) walked.add(frames);
  const seen = sleepingThreads(target);
  const idle = new IdleStacks(observer, forbidden);
  const end = performance.now() + REHEARSAL_MS;
  for (let round = 0; round < rounds; round++) {
    idle.rehearse(target.pid, stacks);
    judgeThreads(
      observer,
      seen,
      { stackLike: new StackLike(observer.maps), threadPointers: () => [] },
      forbidden,
      (at, size) => target.memory.tryRead(at, size),
      // The stacks of the threads that are left out look like nobody's.
      () => performance.now() > end,
    );
  }
}

const searchOwners = (target: Target, { owners, residentRuns }: Observer): void =>
  owners.search(
    () => target.maps(),
    residentRuns,
    (at, size) => target.memory.tryRead(at, size),
  );

/**
 * Stops the target until a stop finds no thread in `forbidden`; then runs `commit` in it.
 * `commit` throwing ends the trying; what it did it must have undone.
 */
export function stopUntilSafe(
  target: Target,
  observer: Observer,
  forbidden: readonly ForbiddenRange[],
  limits: StopLimits,
  commit: (stopped: Stopped) => void,
): StopResult {
  const deadline = performance.now() + limits.timeoutMs;
  const idle = new IdleStacks(observer, forbidden);
  let held = 0;
  // The latest attempt that names somebody says more than one that ran out of time.
  let telling: Extract<Attempt, { readonly kind: 'again' }> | undefined;
  for (
    let attempts = 1, pause = FIRST_PAUSE_MS;
    ;
    attempts++, pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
  ) {
    const result = attempt(target, observer, idle, forbidden, limits, commit);
    held = Math.max(held, result.heldMicroseconds);
    if (result.kind === 'done') return { ...result, heldMicroseconds: held, attempts };
    if (telling === undefined || result.obstacles.length > 0) telling = result;
    if (performance.now() + pause > deadline) {
      const commOf = (tid: number) =>
        tid === NO_THREAD ? 'suspended' : (readProc(`${target.pid}/task/${tid}/comm`)?.trim() ?? 'ended');
      const blockers = blockersOf(observer, telling.obstacles, commOf);
      return { kind: 'busy', heldMicroseconds: held, attempts, reason: telling.reason, blockers };
    }
    if (observer.owners.isMissed) searchOwners(target, observer);
    sleepMicroseconds(pause * 1000);
    if (!target.alive()) throw target.gone();
  }
}

type Attempt =
  | { readonly kind: 'done'; readonly heldMicroseconds: number; readonly stackPointers: readonly bigint[] }
  | {
      readonly kind: 'again';
      readonly heldMicroseconds: number;
      readonly reason: string;
      readonly obstacles: readonly Obstacle[];
    };

function attempt(
  target: Target,
  observer: Observer,
  idle: IdleStacks,
  forbidden: readonly ForbiddenRange[],
  limits: StopLimits,
  commit: (stopped: Stopped) => void,
): Attempt {
  const started = performance.now();
  const allowedMs = limits.maxStopMs + target.threads().length * THREAD_COST_MS;
  const { mappings, watch } = target.watchMaps();
  using _ = watch;
  const before = new StackOverview(target.arch, mappings, forbidden);
  let wasUnchanged = false;
  const stopped = stopAll(target, {
    collectDeadlineMs: allowedMs,
    mappings,
    onceSeized: () => {
      watch.isUnchanged();
      before.readAhead(target.pid);
    },
    // While the threads are on their way: then it costs no time of the stop.
    onceInterrupted: () => {
      wasUnchanged = watch.isUnchanged();
    },
  });
  if ('kind' in stopped) {
    const heldMicroseconds = (performance.now() - started) * 1000;
    const reason = `${stopped.tids.length} threads did not stop within ${allowedMs.toFixed(1)} ms`;
    const obstacles = stopped.tids.map((tid) => ({ tid, at: [], why: 'did not stop in time' }));
    return { kind: 'again', heldMicroseconds, reason, obstacles };
  }
  let outcome: { readonly reason: string; readonly obstacles: readonly Obstacle[] } | undefined;
  try {
    const endNs = stopped.stoppedAtNs + BigInt(Math.round(allowedMs * 1e6));
    const expired = () => process.hrtime.bigint() > endNs;
    // As they are now: a stack may have been mapped since.
    const isUnchanged = stopped.keptMappings ? wasUnchanged : watch.isUnchanged();
    const overview = isUnchanged ? before : new StackOverview(target.arch, target.maps(), forbidden);
    const verdict = look(stopped, observer, { overview, idle }, forbidden, expired);
    if (verdict === undefined || expired()) {
      outcome = { reason: `looking at the threads took more than ${allowedMs.toFixed(1)} ms`, obstacles: [] };
    } else if (verdict.kind !== 'safe') {
      outcome = { reason: reasonOf(verdict.kind), obstacles: verdict.obstacles };
    } else {
      commit(stopped);
    }
  } finally {
    stopped.release();
  }
  const { heldMicroseconds } = stopped.release();
  if (outcome === undefined) {
    const { dwarfSp } = target.arch.registers;
    const stackPointers = stopped.threads.flatMap(({ registers }) => registers.get(dwarfSp) ?? []);
    return { kind: 'done', heldMicroseconds, stackPointers };
  }
  return { kind: 'again', heldMicroseconds, ...outcome };
}

/** undefined if the time was over before all was looked at. */
function look(
  stopped: Stopped,
  observer: Observer,
  { overview, idle }: { readonly overview: StackOverview; readonly idle: IdleStacks },
  forbidden: readonly ForbiddenRange[],
  expired: () => boolean,
): Verdict | undefined {
  const loud = overview.loudThreads(stopped, expired);
  if (loud === undefined) return undefined;
  const { arch, memory, pid } = stopped.target;
  const threadPointers = () => stopped.threads.map(({ prstatus }) => arch.syscall.threadPointer(prstatus));
  const tryRead: TryRead = (at, size) => memory.tryRead(at, size);
  const loudStacks = (stacks: readonly MappingView[]) =>
    idle.loud(pid, stacks, threadPointers()[0], tryRead, expired);
  return judgeThreads(
    { ...observer, maps: overview.maps },
    loud.map((index) => stopped.thread(index)),
    { stackLike: overview.stackLike, threadPointers, loudStacks },
    forbidden,
    tryRead,
    expired,
  );
}

function reasonOf(kind: 'busy' | 'blind'): string {
  switch (kind) {
    case 'busy':
      return 'threads, or contexts that are suspended, are in the code that would change';
    case 'blind':
      return 'the stack of a thread, or of a context that --stacks describes, can be neither unwound nor searched';
    default:
      throw new SutureError('INTERNAL', `no reason for ${kind satisfies never}`);
  }
}
