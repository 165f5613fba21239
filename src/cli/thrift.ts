/**
 * Settings of V8 for commands that run many loops for a fraction of a second each. By default V8 makes machine code
 * of a function early, large and, where it had not yet seen enough, a second time; in commands that end soon after,
 * that costs more than it saves.
 */
import { setFlagsFromString } from 'node:v8';

/**
 * Makes V8 compile less for the rest of this process; functions that have run before keep what they have. Measured in
 * docs/performance.md, "compare". A V8 that does not know a setting leaves it out.
 */
export function compileThriftily(): void {
  // Bytes of bytecode a function runs through before it is optimised; V8 11.3 starts with 67,584.
  setFlagsFromString('--interrupt-budget=300000');
  // Bytes of bytecode that may be put into one optimised function in place of calls; V8 11.3 allows 920.
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=150');
}
