/** process_vm_readv(2): many ranges of another process in one call. */
import { EPERM, ESRCH, SystemError } from './errno.ts';
import { cFunction, errno, NativeMemory } from './library.ts';

const processVmReadv = cFunction('process_vm_readv', 'long', [
  'int',
  'uintptr_t',
  'size_t',
  'uintptr_t',
  'size_t',
  'size_t',
]);

/** limits.h: ranges in one call. */
const IOV_MAX = 1024;
/** struct iovec: address and size, four halves of words. */
const HALVES = 4;

/**
 * Ranges of another process that are read together, into memory of ours that was allocated, and touched, beforehand.
 * Numbers and columns only: it is used while threads are held.
 */
export class BatchReader {
  /** What was read, range behind range, as 32-bit halves of words (the lower first). */
  readonly halves: Uint32Array;
  readonly #local: NativeMemory;
  readonly #vectors: NativeMemory;
  readonly #vectorHalves: Uint32Array;
  readonly #sizes = new Int32Array(IOV_MAX);
  #count = 0;
  #total = 0;

  /** `capacity`: bytes that can be read at once. */
  constructor(capacity: number) {
    this.#local = new NativeMemory(capacity);
    this.#local.bytes.fill(0);
    this.halves = new Uint32Array(this.#local.bytes.buffer);
    this.#vectors = new NativeMemory((IOV_MAX + 1) * HALVES * 4);
    this.#vectors.bytes.fill(0);
    this.#vectorHalves = new Uint32Array(this.#vectors.bytes.buffer);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes of the range `index`. */
  size(index: number): number {
    return this.#sizes[index]!;
  }

  /** False, and nothing noted, when there is no room for another range of `size` bytes (a multiple of 8). */
  add(at: number, size: number): boolean {
    if (this.#count === IOV_MAX || this.#total + size > this.#local.bytes.length) return false;
    this.#set(this.#count + 1, at, size);
    this.#sizes[this.#count] = size;
    this.#count++;
    this.#total += size;
    return true;
  }

  clear(): void {
    this.#count = 0;
    this.#total = 0;
  }

  /**
   * Reads the ranges from `first` on, to `halves` from its beginning on. How many bytes there were until the first one
   * that cannot be read. Throws PROCESS_GONE and NO_PERMISSION.
   */
  read(pid: number, first: number): number {
    this.#set(0, this.#local.address, this.#local.bytes.length);
    const { address } = this.#vectors;
    const left = this.#count - first;
    const got = processVmReadv(pid, address, 1, address + (first + 1) * HALVES * 4, left, 0);
    if (got >= 0) return got;
    const failure = errno();
    if (failure === ESRCH || failure === EPERM) throw new SystemError(`process_vm_readv of ${pid}`, failure);
    return 0;
  }

  /**
   * Reads all ranges and visits each: its index, and from where to where its words lie in `halves` until the next visit
   * that is not whole. `isWhole` false: it could not be read, or not to its end. Throws as `read`.
   */
  readEach(pid: number, visit: (index: number, from: number, to: number, isWhole: boolean) => void): void {
    for (let next = 0; next < this.#count; ) {
      const got = this.read(pid, next) >> 2;
      for (let from = 0; next < this.#count; next++) {
        const to = from + (this.size(next) >> 2);
        const isWhole = to <= got;
        visit(next, from, to, isWhole);
        from = to;
        if (isWhole) continue;
        // The kernel stops at the first range that it cannot read to its end: go on behind it.
        next++;
        break;
      }
    }
  }

  #set(index: number, at: number, size: number): void {
    const halves = this.#vectorHalves;
    halves[index * HALVES] = at >>> 0;
    halves[index * HALVES + 1] = Math.floor(at / 0x1_0000_0000);
    halves[index * HALVES + 2] = size;
  }
}
