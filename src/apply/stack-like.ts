/** Mappings that look like stacks, and in which of them threads are. */
import type { MappingView } from './view.ts';

const STACK = '[stack]';
/** Bytes that no stack has: sanitizers reserve their shadow memory by the tebibyte, with pages without access below. */
const NO_STACK = 1n << 40n;

/** Found before a stop, marked in it: columns of numbers, because there may be thousands and every thread marks one. */
export class StackLike {
  readonly #mappings: readonly MappingView[];
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #touched: Uint8Array;

  /** `maps` in ascending order. */
  constructor(maps: readonly MappingView[]) {
    // Memory for generated code is writable and executable; so are stacks where the kernel was asked for executable ones.
    const executable = maps.some(({ path, execute }) => path === STACK && execute);
    this.#mappings = maps.filter((mapping, i) => {
      if (!mapping.read || !mapping.write || mapping.shared || (mapping.execute && !executable)) return false;
      if (mapping.end - mapping.start >= NO_STACK) return false;
      if (mapping.path === STACK) return true;
      return isAnonymous(mapping) && isGuard(maps[i - 1], mapping) && !isArena(mapping, maps[i + 1]);
    });
    this.#starts = Float64Array.from(this.#mappings, ({ start }) => Number(start));
    this.#ends = Float64Array.from(this.#mappings, ({ end }) => Number(end));
    this.#touched = new Uint8Array(this.#mappings.length);
  }

  /** A frame of a thread is at `address`. */
  touch(address: number): void {
    const starts = this.#starts;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (starts[middle]! <= address) low = middle + 1;
      else high = middle;
    }
    if (low > 0 && address < this.#ends[low - 1]!) this.#touched[low - 1] = 1;
  }

  /** Those that hold no frame of a thread. */
  untouched(): MappingView[] {
    const found: MappingView[] = [];
    for (let i = 0; i < this.#touched.length; i++) if (this.#touched[i] === 0) found.push(this.#mappings[i]!);
    return found;
  }

  /** Forgets the marks. */
  reset(): void {
    this.#touched.fill(0);
  }
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
