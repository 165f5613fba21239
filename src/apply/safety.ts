/**
 * Whether the entries may be changed now: no thread may be in, or return into, code that is going away. Unsure means
 * unsafe: a stack that cannot be unwound to its end is scanned word by word, and what cannot be scanned is refused.
 */
import { hex, type Remote, remote } from '../bytes/address.ts';
import { scanStack } from '../unwind/scan.ts';
import type { TryRead } from './view.ts';

/** Code that no thread may be in. */
export interface ForbiddenRange {
  readonly start: Remote;
  readonly end: Remote;
  /** For messages: the function. */
  readonly name: string;
}

/** One frame of a walk: where the thread is or will return to. */
export interface SeenFrame {
  readonly pc: Remote;
  /** Inside of the instruction that the frame is in: pc, or the byte before a return address. */
  readonly lookupPc: Remote;
}

export interface SeenThread {
  readonly tid: number;
  /** For messages: what it is if it is no thread. */
  readonly what?: string;
  readonly frames: readonly SeenFrame[];
  /** Where the walk ended; when lost, the stack pointer from which on nothing is known. */
  readonly end:
    | { readonly kind: 'bottom' }
    | { readonly kind: 'lost'; readonly at: Remote; readonly reason: string };
  /** Values of the registers that a call preserves or that hold a return address; judged when the walk is lost. */
  readonly registers: readonly bigint[];
}

/** A thread or a suspended context in the way, before anybody has time to look up names. */
export interface Obstacle {
  /** 0 for a suspended context. */
  readonly tid: number;
  /** Where its frames are, the innermost first. */
  readonly at: readonly Remote[];
  readonly why: string;
}

/** A thread or a suspended context in the way, for people. */
export interface Blocker {
  /** 0 for a suspended context. */
  readonly tid: number;
  readonly comm: string;
  /** The innermost frame first, in words. */
  readonly frames: readonly string[];
  readonly why: string;
}

export type Verdict =
  | { readonly kind: 'safe' }
  /** Threads are in the code, or may be. */
  | { readonly kind: 'busy'; readonly obstacles: readonly Obstacle[] }
  /** A stack could neither be unwound nor scanned. */
  | { readonly kind: 'blind'; readonly obstacles: readonly Obstacle[] };

export interface JudgeInput {
  readonly threads: readonly SeenThread[];
  readonly forbidden: readonly ForbiddenRange[];
  readonly tryRead: TryRead;
  /** End of the mapping in which `at` lies, the stack's; undefined if nothing is mapped there. */
  readonly stackEnd: (at: Remote) => Remote | undefined;
  readonly pageSize: number;
  /** Bits that are no part of a return address. */
  readonly authenticationMask?: bigint;
  /** Whether code ends with a call. */
  readonly endsWithCall?: (code: Uint8Array) => boolean;
  /** Found in memory that no thread uses. */
  readonly suspended?: readonly Obstacle[];
}

/** Bytes of a stack that are searched at most; a longer one is `blind`. */
const SCAN_LIMIT = 1 << 26;

export function judge(input: JudgeInput): Verdict {
  const ranges = new RangeSet(input.forbidden);
  const busy: Obstacle[] = [...(input.suspended ?? [])];
  const blind: Obstacle[] = [];
  for (const thread of input.threads) {
    const inside = thread.frames
      .map(({ lookupPc, pc }) => ranges.containing(lookupPc) ?? ranges.containing(pc))
      .find((range) => range !== undefined);
    const why =
      inside === undefined
        ? suspicion(thread, ranges, input)
        : { kind: 'busy' as const, text: `is in ${inside.name}` };
    if (why === undefined) continue;
    const obstacle = {
      tid: thread.tid,
      at: thread.frames.map(({ lookupPc }) => lookupPc),
      why: thread.what === undefined ? why.text : `${thread.what} ${why.text}`,
    };
    (why.kind === 'busy' ? busy : blind).push(obstacle);
  }
  if (blind.length > 0) return { kind: 'blind', obstacles: [...blind, ...busy] };
  return busy.length > 0 ? { kind: 'busy', obstacles: busy } : { kind: 'safe' };
}

/** What speaks against a thread whose known frames are harmless; undefined if nothing does. */
function suspicion(
  thread: SeenThread,
  ranges: RangeSet,
  input: JudgeInput,
): { readonly kind: 'busy' | 'blind'; readonly text: string } | undefined {
  if (thread.end.kind === 'bottom') return undefined;
  const { at, reason } = thread.end;
  for (const value of thread.registers) {
    const range = ranges.returningTo(value);
    if (range !== undefined && !isNextFunction(value, range, input))
      return { kind: 'busy', text: `may return to ${range.name} (a register; ${reason})` };
  }
  const end = input.stackEnd(at);
  if (end === undefined)
    return { kind: 'blind', text: `has a stack that cannot be followed at ${hex(at)}: ${reason}` };
  if (end - at > BigInt(SCAN_LIMIT)) {
    return { kind: 'blind', text: `has a stack too long to search above ${hex(at)}: ${reason}` };
  }
  const { pageSize, authenticationMask = 0n } = input;
  const { candidates } = scanStack(input.tryRead, at, end, input.forbidden, { pageSize, authenticationMask });
  const hit = candidates.find(({ value, range }) => !isNextFunction(value, range, input));
  if (hit === undefined) return undefined;
  return { kind: 'busy', text: `may return to ${hit.range.name} (word at ${hex(hit.at)}; ${reason})` };
}

/** Bytes of the longest call instruction of any CPU. */
const CALL_WINDOW = 8;

/**
 * Whether the end of a function cannot be a return address into it, because no call stands before it: then it is the
 * address of what follows, which programs keep on their stacks (main's, in what called it).
 */
function isNextFunction(value: bigint, { start, end }: ForbiddenRange, input: JudgeInput): boolean {
  if (value !== end || input.endsWithCall === undefined) return false;
  const size = Math.min(CALL_WINDOW, Number(end - start));
  const code = input.tryRead(remote(end - BigInt(size)), size);
  return code !== undefined && !input.endsWithCall(code);
}

class RangeSet {
  readonly #ranges: readonly ForbiddenRange[];

  constructor(ranges: readonly ForbiddenRange[]) {
    this.#ranges = ranges.filter(({ start, end }) => end > start);
  }

  containing(pc: bigint): ForbiddenRange | undefined {
    return this.#ranges.find(({ start, end }) => pc >= start && pc < end);
  }

  /** A return address is behind a call: never a function's first byte, possibly the one after its last. */
  returningTo(value: bigint): ForbiddenRange | undefined {
    return this.#ranges.find(({ start, end }) => value > start && value <= end);
  }
}
