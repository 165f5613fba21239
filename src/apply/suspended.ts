/**
 * Contexts that no thread is in: coroutines that wait, a thread's own stack while it runs a coroutine. Nothing of the
 * operating system lists them. What can be known without the program's help is where such stacks are: mappings with a
 * guard page below that hold no thread's frames. Every word of them that may be a return address into code that goes
 * away counts; that also a stale word does is the price.
 */
import type { Arch } from '../arch/arch.ts';
import { hex, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { WORD } from '../bytes/words.ts';
import { scanWords } from '../unwind/scan.ts';
import type { ForbiddenRange, Obstacle } from './safety.ts';
import type { MappingView, TryRead } from './view.ts';

/** What a stop lets be known of the memory of stacks. */
export interface SuspendedInput {
  readonly arch: Arch;
  /** Mappings that look like stacks and hold no frame of a thread (StackLike). */
  readonly mappings: readonly MappingView[];
  /** Thread pointers of all threads. */
  readonly threadPointers: readonly bigint[];
  readonly forbidden: readonly ForbiddenRange[];
  /** Bits that are no part of a return address. */
  readonly authenticationMask?: bigint;
  readonly tryRead: TryRead;
  /** Parts of [start, end) that hold anything. */
  readonly residentRuns: (
    start: Remote,
    end: Remote,
  ) => readonly { readonly start: Remote; readonly end: Remote }[];
  /** Asked again and again: whether the stop has lasted too long. */
  readonly expired: () => boolean;
  /** What is on a stack, where its owner is known: whose contexts are in the way, none of them, or undefined. */
  readonly exactly?: (stack: MappingView) => readonly Obstacle[] | undefined;
  /** The part of a stack that is in use, where its owner is known. */
  readonly inUse?: (stack: MappingView) => { readonly start: Remote; readonly end: Remote } | undefined;
}

/** A thread id that no thread has: the obstacle is a suspended context. */
export const NO_THREAD = 0;

/** So much is read and searched between two looks at the time. */
const PIECE = 256 << 10;
/** More are not listed. */
const MOST_NAMED = 8;

/** The contexts in the way; undefined if the time was over before all was searched. */
export function suspendedObstacles(input: SuspendedInput): Obstacle[] | undefined {
  const obstacles: Obstacle[] = [];
  if (input.forbidden.length === 0) return obstacles;
  for (const mapping of input.mappings) {
    const hit = firstHit(input, mapping);
    if (hit === 'expired') return undefined;
    if (hit === undefined || isOfEndedThread(input, mapping)) continue;
    const known = input.exactly?.(mapping);
    if (known !== undefined) {
      obstacles.push(...known);
      continue;
    }
    const { at, value, range } = hit;
    obstacles.push({
      tid: NO_THREAD,
      at: [remote(value - 1n)],
      why:
        `a suspended context may return to ${range.name} (word at ${hex(at)} in the mapping ` +
        `${hex(mapping.start)}-${hex(mapping.end)}, which looks like a stack and is no thread's)`,
    });
    if (obstacles.length >= MOST_NAMED) break;
  }
  return obstacles;
}

function firstHit(input: SuspendedInput, mapping: MappingView) {
  const { tryRead, forbidden, arch, authenticationMask = 0n } = input;
  const used = input.inUse?.(mapping);
  const runs =
    used === undefined
      ? input.residentRuns(mapping.start, mapping.end)
      : [{ start: remote(used.start & -BigInt(WORD)), end: used.end }];
  for (const { start, end } of runs) {
    for (let at: bigint = start; at < end; at += BigInt(PIECE)) {
      if (input.expired()) return 'expired';
      const size = Number(end - at < BigInt(PIECE) ? end - at : BigInt(PIECE));
      const bytes = tryRead(remote(at), size) ?? readPages(tryRead, at, size, arch.pageSize);
      const [hit] = scanWords(bytes, remote(at), forbidden, { authenticationMask });
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
