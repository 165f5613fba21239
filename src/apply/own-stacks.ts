/**
 * A look at all threads of a stopped process at once: whose registers and stack hold nothing that leads into code that
 * goes away (quiet.ts). All that can be known before the stop is laid out before it, in columns of numbers.
 */
import type { Arch } from '../arch/arch.ts';
import type { Stopped } from '../process/stopped.ts';
import { BatchReader } from '../sys/memory.ts';
import { CodeWords } from './quiet.ts';
import type { ForbiddenRange } from './safety.ts';
import { StackLike } from './stack-like.ts';
import type { MappingView } from './view.ts';

/** A deeper stack costs as much to read as to unwind. */
const DEEPEST = 64 * 1024;
/** Bytes of stacks read at once. */
const CAPACITY = 4 << 20;
/** Bytes of the first thread's stack that are read ahead. */
const AHEAD = 4096;
const REHEARSED_WORDS = 4096;
const REHEARSED_ROUNDS = 32;
let shared: BatchReader | undefined;

/** One for all who look at stacks, one after the other, in a stop: allocating it takes longer than they do. */
export function sharedReader(): BatchReader {
  shared ??= new BatchReader(CAPACITY);
  return shared;
}

/** What is known before the stop. */
export class StackOverview {
  /** Where threads are, after `loudThreads`. */
  readonly stackLike: StackLike;
  readonly #arch: Arch;
  readonly #words: CodeWords;
  readonly #reader: BatchReader;
  /** Addresses just below and above the code that goes away. */
  readonly #below: bigint;
  readonly #above: bigint;
  /** Thread of each range that is being read. */
  readonly #owners: number[] = [];
  /** Mappings that can be written to, ascending. */
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  /** Start of the mapping that the kernel calls the first thread's stack. */
  readonly #firstStack: number;

  /** `maps` in ascending order. */
  constructor(
    arch: Arch,
    readonly maps: readonly MappingView[],
    forbidden: readonly ForbiddenRange[],
  ) {
    const writable = maps.filter(({ write, end }) => write && Number.isSafeInteger(Number(end)));
    this.stackLike = new StackLike(maps);
    this.#arch = arch;
    this.#words = new CodeWords(forbidden);
    const sorted = [...forbidden].sort((one, other) => (one.start < other.start ? -1 : 1));
    this.#below = (sorted[0]?.start ?? 1n) - 1n;
    this.#above = sorted.reduce((highest: bigint, { end }) => (end > highest ? end : highest), 0n) + 1n;
    this.#reader = sharedReader();
    this.#starts = Float64Array.from(writable, ({ start }) => Number(start));
    this.#ends = Float64Array.from(writable, ({ end }) => Number(end));
    this.#firstStack = Number(maps.find(({ path }) => path === '[stack]')?.start ?? -1);
  }

  /**
   * Indices of the threads that are not proved to be out of the way; undefined if the time was over before.
   *
   * A thread's own stack is known by its control block, which the thread pointer leads to and which C libraries put at
   * the top of the stack that they create the thread with; that of the first thread has a name. From any other stack (a
   * signal's, a coroutine's) frames go on elsewhere, and such threads are not quiet.
   */
  loudThreads(stopped: Stopped, expired: () => boolean): number[] | undefined {
    const { sp, threadPointer } = this.#arch.registers;
    const { pid } = stopped.target;
    const halves = stopped.registerHalves();
    const perThread = stopped.registersSize >> 2;
    const reader = this.#reader;
    const loud: number[] = [];
    this.stackLike.reset();
    reader.clear();
    for (let i = 0; i < stopped.size; i++) {
      if (!stopped.isHeld(i)) continue;
      const from = i * perThread;
      const at = wordAt(halves, from + (sp >> 2));
      this.stackLike.touch(at);
      const block = wordAt(halves, from + (threadPointer >> 2));
      const size = this.#ownSize(at, block, stopped.tid(i) === pid);
      if (size < 0 || this.#words.anyLeadsIn(halves, from, from + perThread)) {
        loud.push(i);
        continue;
      }
      const start = Math.ceil(at / 8) * 8;
      if (!reader.add(start, size)) {
        if (expired()) return undefined;
        this.#read(pid, loud);
        reader.add(start, size);
      }
      this.#owners[reader.count - 1] = i;
    }
    this.#read(pid, loud);
    return loud;
  }

  /** Reads a part of a stack and looks at it, so that what that takes is near at hand when all threads are held. */
  readAhead(pid: number): void {
    const reader = this.#reader;
    const last = this.#starts.indexOf(this.#firstStack);
    reader.clear();
    if (last < 0 || !reader.add(this.#ends[last]! - AHEAD, AHEAD)) return;
    const got = reader.read(pid, 0) >> 2;
    this.#words.anyLeadsIn(reader.halves, 0, got);
    reader.clear();
  }

  /**
   * Looks at words that lead nowhere, of every kind that stacks hold, until the compiler has seen that doing so is worth
   * its time; a kind that it has not met would make it start again, in the stop.
   */
  rehearse(): void {
    const kinds = [0n, 0xffff_ffff_ffff_ffffn, 0x8000_0001_8000_0001n, this.#below, this.#above];
    const words = BigUint64Array.from({ length: REHEARSED_WORDS }, (_, i) => kinds[i % kinds.length]!);
    const halves = new Uint32Array(words.buffer);
    for (let round = 0; round < REHEARSED_ROUNDS; round++) this.#words.anyLeadsIn(halves, 0, halves.length);
  }

  /** Whole words from `at` to the top of the thread's own stack, in bytes; -1 if it is another one or too deep. */
  #ownSize(at: number, block: number, isFirst: boolean): number {
    const starts = this.#starts;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (starts[middle]! <= at) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return -1;
    const end = this.#ends[low - 1]!;
    if (at >= end) return -1;
    const isOwn = isFirst && starts[low - 1] === this.#firstStack;
    if (!isOwn && (block <= at || block >= end)) return -1;
    const top = isOwn ? end : block;
    const size = Math.floor(top / 8) * 8 - Math.ceil(at / 8) * 8;
    return size <= DEEPEST ? size : -1;
  }

  /** Reads the ranges and adds the threads of which something leads in, or not all can be read. */
  #read(pid: number, loud: number[]): void {
    const reader = this.#reader;
    reader.readEach(pid, (index, from, to, isWhole) => {
      if (!isWhole || this.#words.anyLeadsIn(reader.halves, from, to)) loud.push(this.#owners[index]!);
    });
    reader.clear();
  }
}

const wordAt = (halves: Uint32Array, index: number): number =>
  halves[index + 1]! * 0x1_0000_0000 + halves[index]!;
