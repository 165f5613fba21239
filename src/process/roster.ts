/**
 * The threads of one process on their way to a stop, in columns, and their registers in memory that the kernel writes
 * to: with hundreds of threads an object for each would be made, and collected again, while all of them are held.
 */
import type { Arch } from '../arch/arch.ts';
import { NativeMemory } from '../sys/library.ts';
import { fetchRegisters, registerSets } from './registers.ts';

const RUNNING = 0;
const STANDING = 1;
const ENDED = 2;

/** struct iovec: where, and how many bytes. */
const IOVEC = 16;
/** Threads that may be born before the stop without a larger memory being needed in it. */
const SPARE = 32;

export class Roster {
  /** Bytes of one thread's registers (registers.ts). */
  readonly registersSize: number;
  readonly #sets: ReturnType<typeof registerSets>;
  readonly #indices = new Map<number, number>();
  #size = 0;
  #tids: Int32Array;
  #states: Uint8Array;
  /** The registers of each thread, and behind all of them the iovecs that say so. */
  #registers: NativeMemory;
  #iovecs: number;

  constructor(arch: Arch, expected: number) {
    this.#sets = registerSets(arch);
    this.registersSize = this.#sets.reduce((sum, { size }) => sum + size, 0);
    const capacity = expected + (expected >> 2) + SPARE;
    this.#tids = new Int32Array(capacity);
    this.#states = new Uint8Array(capacity);
    this.#registers = this.#room(capacity);
    this.#iovecs = this.#registers.address + capacity * this.registersSize;
  }

  /** Threads that were ever added; the next one's index. */
  get size(): number {
    return this.#size;
  }

  has(tid: number): boolean {
    return this.#indices.has(tid);
  }

  /** Adds a thread that is traced and not known to stand still, or that ended before it could be traced. */
  add(tid: number, ended = false): void {
    if (this.#size === this.#tids.length) this.#grow();
    this.#indices.set(tid, this.#size);
    this.#tids[this.#size] = tid;
    this.#states[this.#size] = ended ? ENDED : RUNNING;
    this.#size++;
  }

  tid(index: number): number {
    return this.#tids[index]!;
  }

  isRunning(index: number): boolean {
    return this.#states[index] === RUNNING;
  }

  isStanding(index: number): boolean {
    return this.#states[index] === STANDING;
  }

  /** The thread stands still. */
  stand(index: number): void {
    this.#states[index] = STANDING;
  }

  /**
   * Fetches the registers of all threads that stand still. Not one by one as they come to their stops: one that has told
   * of its stop may still be on its way off its processor, and the kernel lets us wait for that, for a whole tick at
   * times. Throws PROCESS_GONE when one was killed.
   */
  fetch(): void {
    const perThread = this.#sets.length * IOVEC;
    for (let i = 0; i < this.#size; i++) {
      if (this.#states[i] === STANDING)
        fetchRegisters(this.#sets, this.#tids[i]!, this.#iovecs + i * perThread);
    }
  }

  end(index: number): void {
    this.#states[index] = ENDED;
  }

  /** Number of threads that stand still. */
  standing(): number {
    let count = 0;
    for (let i = 0; i < this.#size; i++) if (this.#states[i] === STANDING) count++;
    return count;
  }

  /**
   * Whether the signed word at byte `at` of the registers of each thread that stands still is negative or one of `numbers`.
   */
  allHave(at: number, numbers: ReadonlySet<number>): boolean {
    const halves = this.registerHalves();
    const perThread = this.registersSize >> 2;
    for (let i = 0; i < this.#size; i++) {
      if (this.#states[i] !== STANDING) continue;
      const low = i * perThread + (at >> 2);
      const high = halves[low + 1]! | 0;
      if (high < 0 || (high === 0 && numbers.has(halves[low]!))) continue;
      return false;
    }
    return true;
  }

  /** The registers of all threads, one behind the other, as 32-bit halves of words, the lower first. */
  registerHalves(): Uint32Array {
    return new Uint32Array(this.#registers.bytes.buffer, 0, (this.#size * this.registersSize) >> 2);
  }

  /** A copy of the registers of a thread that stands still. */
  prstatus(index: number): Uint8Array {
    return this.#registers.bytes.slice(index * this.registersSize, (index + 1) * this.registersSize);
  }

  /** Memory in which every page has been touched: the first touch of one costs as much as a system call. */
  #room(capacity: number): NativeMemory {
    const memory = new NativeMemory(capacity * (this.registersSize + this.#sets.length * IOVEC));
    memory.bytes.fill(0);
    let at = capacity * this.registersSize;
    let to = memory.address;
    for (let i = 0; i < capacity; i++) {
      for (const { size } of this.#sets) {
        memory.view.setBigUint64(at, BigInt(to), true);
        memory.view.setBigUint64(at + 8, BigInt(size), true);
        at += IOVEC;
        to += size;
      }
    }
    return memory;
  }

  #grow(): void {
    const capacity = this.#tids.length * 2;
    const tids = new Int32Array(capacity);
    const states = new Uint8Array(capacity);
    const registers = this.#room(capacity);
    tids.set(this.#tids);
    states.set(this.#states);
    registers.bytes.set(this.#registers.bytes.subarray(0, this.#size * this.registersSize));
    this.#tids = tids;
    this.#states = states;
    this.#registers = registers;
    this.#iovecs = registers.address + capacity * this.registersSize;
  }
}
