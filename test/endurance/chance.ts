/** Chance that can be had again: a number names the whole sequence. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A chance of its own for the n-th of something, whatever the others drew. */
  of(n: number): Chance {
    return new Chance(Math.imul(this.#state ^ Math.imul(n + 1, 0x9e3779b1), 0x85ebca6b));
  }

  /** At least 0, below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** An integer of 0…below-1. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  pick<T>(things: readonly T[]): T {
    return things[this.below(things.length)]!;
  }
}

/** Of the environment if a run is to be repeated, else by the clock. */
export const seedOf = (given: string | undefined): number =>
  given === undefined || given === '' ? Date.now() % 1_000_000 : Number(given);
