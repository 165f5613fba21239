/** Differences of live data that the user takes upon himself by name, and which of the names were of use. */
import { namePattern } from './name-pattern.ts';

export class Acceptance {
  readonly #data: readonly Pattern[];
  readonly #layouts: readonly Pattern[];

  /** Patterns of names of variables and constants, and of types, with `*` and `?` as in a shell. */
  constructor(data: readonly string[] = [], layouts: readonly string[] = []) {
    this.#data = data.map((text) => new Pattern('--accept-data', text));
    this.#layouts = layouts.map((text) => new Pattern('--accept-layout', text));
  }

  /** Whether the content of this variable or constant may differ from that of running processes. */
  data(name: string): boolean {
    return matches(this.#data, [name]);
  }

  /** Whether running processes may hold values of this type in its old layout; `struct x` is also called `x`. */
  layout(type: string): boolean {
    return matches(this.#layouts, [type, type.replace(/^(struct|union|class|enum) /, '')]);
  }

  /** One sentence for each option that accepted nothing: a wrong name should not go unseen. */
  get useless(): readonly string[] {
    return [...this.#data, ...this.#layouts]
      .filter(({ used }) => !used)
      .map(({ option, text }) => `${option} ${text} accepts nothing: nothing of that name was refused`);
  }
}

class Pattern {
  used = false;
  readonly matches: (name: string) => boolean;

  constructor(
    readonly option: string,
    readonly text: string,
  ) {
    this.matches = namePattern([text]);
  }
}

/** Every pattern is asked, so that each knows whether it was of use. */
function matches(patterns: readonly Pattern[], names: readonly string[]): boolean {
  const found = patterns.filter((pattern) => names.some((name) => pattern.matches(name)));
  for (const pattern of found) pattern.used = true;
  return found.length > 0;
}
