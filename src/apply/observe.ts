/** What the threads of a stopped process are in: their stacks walked, their verdict given. */
import type { Arch } from '../arch/arch.ts';
import { hex, type Remote, remote } from '../bytes/address.ts';
import type { RegisterFile, UnwindModule } from '../unwind/frame.ts';
import { type Walk, walk } from '../unwind/walk.ts';
import { type DescribedContext, describedContexts, type FoundList } from './contexts.ts';
import {
  type Blocker,
  type ForbiddenRange,
  judge,
  type Obstacle,
  type SeenThread,
  type Verdict,
} from './safety.ts';
import type { StackLike } from './stack-like.ts';
import type { StackOwners } from './stack-owners.ts';
import { NO_THREAD, type SuspendedInput, suspendedObstacles } from './suspended.ts';
import { moduleFinder } from './unwind-modules.ts';
import type { MappingView, TryRead } from './view.ts';

export interface StoppedThread {
  readonly tid: number;
  readonly registers: RegisterFile;
}

/** What concerns all threads, also those that need not be walked. */
export interface Surroundings {
  /** Marked where any thread's stack pointer is. */
  readonly stackLike: StackLike;
  /** Of all threads; asked only where suspended contexts are looked for. */
  readonly threadPointers: () => readonly bigint[];
  /** Those of the stacks without a thread that need a closer look; undefined if the time was over. Without it: all. */
  readonly loudStacks?: (stacks: readonly MappingView[]) => readonly MappingView[] | undefined;
}

export interface Observer {
  readonly arch: Arch;
  readonly modules: readonly UnwindModule[];
  readonly maps: readonly MappingView[];
  /** Parts of [start, end) of the process that hold anything. */
  readonly residentRuns: SuspendedInput['residentRuns'];
  /** Where the program keeps suspended contexts, if it was said. */
  readonly contexts: readonly FoundList[];
  /** Where the program keeps them, if it is known of programs of its kind. */
  readonly owners: StackOwners;
}

const UNFOLLOWED: Verdict = {
  kind: 'blind',
  obstacles: [{ tid: NO_THREAD, at: [], why: 'the contexts that --stacks describes cannot be followed' }],
};

const SAFE: Verdict = { kind: 'safe' };

/**
 * Judges `threads` (those that are not proved to be quiet) and what no thread is in. `expired` is asked between threads:
 * when the stop has lasted too long the result is undefined.
 */
export function judgeThreads(
  observer: Observer,
  threads: readonly StoppedThread[],
  { stackLike, threadPointers, loudStacks = (stacks) => stacks }: Surroundings,
  forbidden: readonly ForbiddenRange[],
  readMemory: TryRead,
  expired: () => boolean,
): Verdict | undefined {
  const { arch } = observer;
  const moduleAt = moduleFinder(observer.modules);
  const tryRead = pageCache(readMemory, arch.pageSize);
  // One for all threads of a machine.
  const authenticationMask = threads[0]?.registers.authenticationMask ?? 0n;
  const seen: SeenThread[] = [];
  for (const { tid, registers } of threads) {
    if (expired()) return undefined;
    const { frames, end } = walk({ arch, registers, readMemory: tryRead, moduleAt });
    for (const { cfa } of frames) stackLike.touch(Number(cfa - 1n));
    seen.push({ tid, frames, end, registers: returnRegisters(arch, registers) });
  }
  const pointers = observer.contexts.length > 0 ? threadPointers() : [];
  if (pointers.length > 0) {
    const found = describedContexts(arch, observer.contexts, pointers[0], tryRead, expired);
    if (found === undefined) return expired() ? undefined : UNFOLLOWED;
    for (const { what, registers, bottom } of found) {
      if (expired()) return undefined;
      registers.authenticationMask = authenticationMask;
      const { frames, end } = endedAt(walk({ arch, registers, readMemory: tryRead, moduleAt }), bottom);
      // What is described is not searched besides: stale words would count.
      const sp = registers.get(arch.registers.dwarfSp);
      if (sp !== undefined) stackLike.touch(Number(sp));
      seen.push({ tid: NO_THREAD, what, frames, end, registers: returnRegisters(arch, registers) });
    }
  }
  const idle = stackLike.untouched();
  const mappings = idle.length === 0 ? idle : loudStacks(idle);
  if (mappings === undefined) return undefined;
  if (seen.length === 0 && mappings.length === 0) return SAFE;
  const allPointers = mappings.length === 0 ? [] : threadPointers();
  const [threadPointer] = allPointers;
  const suspended = suspendedObstacles({
    ...observer,
    mappings,
    threadPointers: allPointers,
    forbidden,
    authenticationMask,
    tryRead: readMemory,
    expired,
    ...(threadPointer !== undefined && {
      inUse: (stack) => observer.owners.inUse(stack, threadPointer, tryRead),
      exactly: (stack) => {
        const found = observer.owners.contextsOn(stack, threadPointer, tryRead);
        return found.length === 0 ? undefined : obstaclesOf(found, { arch, tryRead, moduleAt }, forbidden);
      },
    }),
  });
  if (suspended === undefined) return undefined;
  return judge({
    threads: seen,
    forbidden,
    tryRead: readMemory,
    stackEnd: (at) => observer.maps.find((m) => at >= m.start && at < m.end && m.read)?.end,
    pageSize: arch.pageSize,
    authenticationMask,
    endsWithCall: arch.unwind.endsWithCall,
    suspended,
  });
}

/** Those of the contexts on a stack that are in the way; undefined if one of them cannot be unwound to its beginning. */
function obstaclesOf(
  contexts: readonly DescribedContext[],
  { arch, tryRead, moduleAt }: Walking,
  forbidden: readonly ForbiddenRange[],
): Obstacle[] | undefined {
  const obstacles: Obstacle[] = [];
  for (const { what, registers, bottom } of contexts) {
    const { frames, end } = endedAt(walk({ arch, registers, readMemory: tryRead, moduleAt }), bottom);
    if (end.kind !== 'bottom') return undefined;
    const inside = forbidden.find(({ start, end }) =>
      frames.some(({ lookupPc }) => lookupPc >= start && lookupPc < end),
    );
    if (inside === undefined) continue;
    const at = frames.map(({ lookupPc }) => lookupPc);
    obstacles.push({ tid: NO_THREAD, at, why: `${what} is in ${inside.name}` });
  }
  return obstacles;
}

interface Walking {
  readonly arch: Arch;
  readonly tryRead: TryRead;
  readonly moduleAt: (pc: Remote) => UnwindModule | undefined;
}

/** The walk as far as the first frame in one of the functions in which contexts begin. */
function endedAt(walked: Walk, bottom: FoundList['bottom']): Pick<Walk, 'frames'> & Pick<SeenThread, 'end'> {
  const last = walked.frames.findIndex(({ lookupPc }) =>
    bottom.some(({ start, end }) => lookupPc >= start && lookupPc < end),
  );
  return last < 0 ? walked : { frames: walked.frames.slice(0, last + 1), end: { kind: 'bottom' } };
}

/** Registers that may hold a return address when a walk has got lost. */
function returnRegisters(arch: Arch, registers: RegisterFile): bigint[] {
  const numbers = [...arch.registers.calleeSaved, arch.registers.dwarfReturnAddress];
  const { authenticationMask } = registers;
  return numbers.flatMap((number) => {
    const value = registers.get(number);
    return value === undefined ? [] : [value & ~authenticationMask];
  });
}

/** Puts obstacles into words. Symbols are looked up here, so not while the target is held. */
export function blockersOf(
  observer: Observer,
  obstacles: readonly Obstacle[],
  commOf: (tid: number) => string,
): Blocker[] {
  const describe = describer(moduleFinder(observer.modules));
  return obstacles.map(({ tid, at, why }) => ({ tid, comm: commOf(tid), frames: at.map(describe), why }));
}

function describer(moduleAt: (pc: Remote) => UnwindModule | undefined): (pc: Remote) => string {
  return (pc) => {
    const module = moduleAt(pc);
    if (module === undefined) return hex(pc);
    const symbol = module.symbol?.(pc);
    const file = module.name.slice(module.name.lastIndexOf('/') + 1);
    if (symbol !== undefined) return `${symbol.name}+${hex(symbol.offset)} (${file})`;
    return `${hex(pc - module.bias)} (${file})`;
  };
}

/** Reads whole pages and keeps them: a walk asks for neighbouring words one by one. */
function pageCache(readMemory: TryRead, pageSize: number): TryRead {
  const pages = new Map<bigint, Uint8Array | undefined>();
  return (at, size) => {
    const start = at & -BigInt(pageSize);
    const offset = Number(at - start);
    if (offset + size > pageSize) return readMemory(at, size);
    let page = pages.get(start);
    if (page === undefined && !pages.has(start)) {
      page = readMemory(remote(start), pageSize);
      pages.set(start, page);
    }
    return page?.subarray(offset, offset + size);
  };
}
