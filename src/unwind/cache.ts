/** Parsed frames and symbols by build id: processes of one program share them. The longest unused entry goes first. */
export class UnwindCache<T> {
  readonly #entries = new Map<string, T>();

  constructor(readonly capacity = 256) {}

  get size(): number {
    return this.#entries.size;
  }

  /**
   * The entry of this key, made if there is none. An error of `make` leaves no entry, and neither does undefined: what
   * could not be read of one process may be there in the next.
   */
  get(key: string, make: () => T): T {
    if (this.#entries.has(key)) {
      const known = this.#entries.get(key) as T;
      // A Map keeps the order of insertion: moved to its end.
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    const made = make();
    if (made === undefined) return made;
    this.#entries.set(key, made);
    if (this.#entries.size > this.capacity) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    return made;
  }
}
