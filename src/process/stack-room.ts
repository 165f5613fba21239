/** How far down a thread's stack reaches: a frame put below it must not fall on somebody else's memory. */
import { type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { indexAt, type Mapping } from './maps.ts';
import type { TargetMemory } from './memory.ts';

export type StackBottom =
  | { readonly kind: 'known'; readonly at: Remote }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Part of a stack in which the frame of a handler on the alternate stack is looked for. */
const SEARCHED = 256 << 10;
/** No alternate stack is larger. */
const LARGEST_ALTERNATE = 1 << 30;

/**
 * The lowest address of the stack on which `sp` stands.
 *
 * A thread's own stack is "[stack]", or the mapping in which its thread pointer stands above the stack pointer: C
 * libraries put both in one. Within either a handler may be on an alternate stack, which is ordinary memory, perhaps
 * an array: its bounds are in the signal frame at its top. Any other stack is a coroutine's; it must have a guard page.
 */
export function stackBottom(
  memory: TargetMemory,
  mappings: readonly Mapping[],
  sp: Remote,
  threadPointer: Remote,
): StackBottom {
  const index = indexAt(mappings, sp);
  const mapping = mappings[index];
  if (mapping === undefined || !mapping.write)
    return { kind: 'unknown', reason: 'its stack pointer is not in writable memory' };
  const alternate = alternateStack(memory, sp, mapping);
  if (alternate !== undefined && alternate > mapping.start) return { kind: 'known', at: alternate };
  if (alternate !== undefined) return { kind: 'known', at: mapping.start };
  const own = mapping.path === '[stack]' || (threadPointer >= sp && threadPointer < mapping.end);
  if (own) return { kind: 'known', at: mapping.start };
  const below = mappings[index - 1];
  const guarded = below !== undefined && below.end === mapping.start && !below.read && !below.write;
  return guarded
    ? { kind: 'known', at: mapping.start }
    : { kind: 'unknown', reason: 'it is on a stack of unknown size' };
}

/**
 * Start of the alternate signal stack that holds `sp`, if there is a signal frame on it. Linux puts stack_t (pointer,
 * flags, size) behind uc_flags and uc_link (include/uapi/asm-generic/ucontext.h): the words must say so of themselves.
 */
function alternateStack(memory: TargetMemory, sp: Remote, mapping: Mapping): Remote | undefined {
  const start = remote((sp + 7n) & ~7n);
  const left = Number(mapping.end - start);
  const bytes = memory.tryRead(start, Math.min(left & ~7, SEARCHED));
  if (bytes === undefined) return undefined;
  const view = viewOf(bytes);
  // Words in two halves: as bigints, 256 KiB of them would take a millisecond of somebody's stop.
  const halves = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const highest = Number(sp);
  const lowest = Math.max(1, highest - LARGEST_ALTERNATE);
  for (let at = 16; at + 24 <= bytes.length; at += 8) {
    const word = halves[(at >> 2) + 1]! * 0x1_0000_0000 + halves[at >> 2]!;
    if (word > highest || word < lowest) continue;
    const pointer = view.getBigUint64(at, true);
    const size = view.getBigUint64(at + 16, true);
    const here = start + BigInt(at);
    if (size > LARGEST_ALTERNATE || here >= pointer + size) continue;
    const flags = view.getInt32(at + 8, true);
    const link = view.getBigUint64(at - 8, true);
    const contextFlags = view.getBigUint64(at - 16, true);
    // SS_ONSTACK or none, perhaps with SS_AUTODISARM
    if (link === 0n && contextFlags <= 7n && (flags & 0x7fff_fffe) === 0) return remote(pointer);
  }
  return undefined;
}
