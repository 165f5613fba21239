/** Something that a patch cannot carry, said so that a person can act on it. */
export interface Refusal {
  /** Source file, relative to the tree; undefined when the whole object is meant. */
  readonly unit: string | undefined;
  readonly what: string;
  readonly where?: string;
  readonly remedy?: string;
}
