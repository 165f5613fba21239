/** Something that a patch cannot carry, said so that a person can act on it. */
export interface Refusal {
  /** Source file, relative to the tree; undefined when the whole object is meant. */
  readonly unit: string | undefined;
  readonly what: string;
  readonly where?: string;
  readonly remedy?: string;
}

/** Refusals as they are found, each said once. */
export class Refusals {
  readonly found: Refusal[] = [];
  readonly #said = new Set<string>();

  add(refusal: Refusal): void {
    const key = `${refusal.unit} ${refusal.what}`;
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.found.push(refusal);
  }
}
