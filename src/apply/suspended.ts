/**
 * Contexts that no thread is in: coroutines that wait, a thread's own stack while it runs a coroutine. Nothing of the
 * operating system lists them. What can be known without the program's help is where such stacks are: mappings with a
 * guard page below that hold no thread's frames. Every word of them that may be a return address into code that goes
 * away counts; that also a stale word does is the price.
 */
import type { Arch } from '../arch/arch.ts';
import { hex, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { scanWords } from '../unwind/scan.ts';
import type { ForbiddenRange, Obstacle } from './safety.ts';
import type { MappingView, TryRead } from './view.ts';

/** What a stop lets be known of the memory of stacks. */
export interface SuspendedInput {
  readonly arch: Arch;
  readonly maps: readonly MappingView[];
  /** The stack pointers of all threads, and an address in every frame that was walked. */
  readonly touched: readonly bigint[];
  /** Thread pointers of all threads. */
  readonly threadPointers: readonly bigint[];
  readonly forbidden: readonly ForbiddenRange[];
  readonly tryRead: TryRead;
  /** Parts of [start, end) that hold anything. */
  readonly residentRuns: (
    start: Remote,
    end: Remote,
  ) => readonly { readonly start: Remote; readonly end: Remote }[];
  /** Asked again and again: whether the stop has lasted too long. */
  readonly expired: () => boolean;
}

/** A thread id that no thread has: the obstacle is a suspended context. */
export const NO_THREAD = 0;

/** So much is read and searched between two looks at the time. */
const PIECE = 256 << 10;
/** More are not listed. */
const MOST_NAMED = 8;
const STACK = '[stack]';
/** Bytes that no stack has: sanitizers reserve their shadow memory by the tebibyte, with pages without access below. */
const NO_STACK = 1n << 40n;

/** The contexts in the way; undefined if the time was over before all was searched. */
export function suspendedObstacles(input: SuspendedInput): Obstacle[] | undefined {
  const obstacles: Obstacle[] = [];
  if (input.forbidden.length === 0) return obstacles;
  for (const mapping of stacksOfNobody(input.maps, input.touched)) {
    const hit = firstHit(input, mapping);
    if (hit === 'expired') return undefined;
    if (hit === undefined || isOfEndedThread(input, mapping)) continue;
    const { at, value, range } = hit;
    obstacles.push({
      tid: NO_THREAD,
      at: [remote(value - 1n)],
      why:
        `a suspended context may return to ${range.name} (word at ${hex(at)} in the mapping ` +
        `${hex(mapping.start)}-${hex(mapping.end)}, which looks like a stack and is no thread's)`,
    });
    if (obstacles.length === MOST_NAMED) break;
  }
  return obstacles;
}

/** Mappings that look like stacks and hold no frame of a thread. `maps` in ascending order. */
export function stacksOfNobody(maps: readonly MappingView[], touched: readonly bigint[]): MappingView[] {
  const sorted = BigUint64Array.from(touched).sort();
  return maps.filter((mapping, i) => {
    if (!mapping.read || !mapping.write || mapping.shared) return false;
    if (mapping.end - mapping.start >= NO_STACK) return false;
    if (mapping.path !== STACK && !(isAnonymous(mapping) && isGuard(maps[i - 1], mapping))) return false;
    return !holdsAny(sorted, mapping.start, mapping.end) && !isArena(mapping, maps[i + 1]);
  });
}

/** prctl(2), PR_SET_VMA_ANON_NAME gives names to anonymous memory. */
const isAnonymous = ({ path }: MappingView): boolean => path === '' || path.startsWith('[anon:');

const isGuard = (below: MappingView | undefined, { start }: MappingView): boolean =>
  below !== undefined && below.end === start && !below.read && !below.write && !below.execute;

/**
 * glibc's malloc, HEAP_MAX_SIZE: a heap of a thread is 64 MiB reserved at a multiple of that, of which the first part is
 * accessible. The unused rest of the one below looks like a guard page.
 */
const ARENA = 64n << 20n;
const isArena = ({ start, end }: MappingView, above: MappingView | undefined): boolean =>
  start % ARENA === 0n && (end === start + ARENA || (above?.start === end && above.end === start + ARENA));

function holdsAny(sorted: BigUint64Array, start: bigint, end: bigint): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < start) low = middle + 1;
    else high = middle;
  }
  return low < sorted.length && sorted[low]! < end;
}

function firstHit(input: SuspendedInput, mapping: MappingView) {
  const { tryRead, forbidden, arch } = input;
  for (const { start, end } of input.residentRuns(mapping.start, mapping.end)) {
    for (let at: bigint = start; at < end; at += BigInt(PIECE)) {
      if (input.expired()) return 'expired';
      const size = Number(end - at < BigInt(PIECE) ? end - at : BigInt(PIECE));
      const bytes = tryRead(remote(at), size) ?? readPages(tryRead, at, size, arch.pageSize);
      const [hit] = scanWords(bytes, remote(at), forbidden);
      if (hit !== undefined) return hit;
    }
  }
  return undefined;
}

/** What can be read of a piece, pages that cannot be left zero. */
function readPages(tryRead: TryRead, at: bigint, size: number, pageSize: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let offset = 0; offset < size; offset += pageSize) {
    const page = tryRead(remote(at + BigInt(offset)), Math.min(pageSize, size - offset));
    if (page !== undefined) bytes.set(page, offset);
  }
  return bytes;
}

/**
 * C libraries keep the stacks of threads that ended for new ones, with all that stood there. Such a stack is known by
 * its thread control block, which holds its own address: no thread has that address for its thread pointer any more.
 */
function isOfEndedThread(input: SuspendedInput, mapping: MappingView): boolean {
  const { selfPointers } = input.arch.unwind;
  const top = input.residentRuns(mapping.start, mapping.end).at(-1);
  if (selfPointers.length === 0 || top === undefined || top.end !== mapping.end) return false;
  const from = top.end - top.start > BigInt(PIECE) ? remote(top.end - BigInt(PIECE)) : top.start;
  const bytes = input.tryRead(from, Number(top.end - from));
  if (bytes === undefined) return false;
  const view = viewOf(bytes);
  const last = bytes.length - 8 - Math.max(...selfPointers);
  for (let at = last - (last % 8); at >= 0; at -= 8) {
    const block = from + BigInt(at);
    if (!selfPointers.every((offset) => view.getBigUint64(at + offset, true) === block)) continue;
    return !input.threadPointers.includes(block);
  }
  return false;
}
