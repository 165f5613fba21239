/**
 * Threads that are proved to be out of the way without being unwound. A thread that is in a range, or will return into
 * one, has an address of it in a register or in a word of its stack; so one of which no register and no word leads
 * there is safe, whatever its frames are. Most threads of most processes are like that, and a look at their words
 * costs a fraction of a walk. A word that does lead there proves nothing (it may be stale): those threads are walked.
 */
import type { Remote } from '../bytes/address.ts';
import type { RegisterFile } from '../unwind/frame.ts';
import { scanWords } from '../unwind/scan.ts';
import type { ForbiddenRange } from './safety.ts';

/** The memory from a thread's stack pointer to the end of its own stack. */
export interface OwnStack {
  readonly at: Remote;
  readonly bytes: Uint8Array;
}

/**
 * True if nothing of the thread leads into the ranges. `stack` must be whole, and the stack on which the thread began:
 * from any other one (a signal's, a coroutine's) frames go on elsewhere.
 */
export function isQuiet(
  registers: RegisterFile,
  stack: OwnStack,
  forbidden: readonly ForbiddenRange[],
): boolean {
  for (const { start, end } of forbidden) {
    if (registers.pc >= start && registers.pc <= end) return false;
    for (let number = 0; number < registers.length; number++) {
      const value = registers.get(number);
      if (value !== undefined && value >= start && value <= end) return false;
    }
  }
  return scanWords(stack.bytes, stack.at, forbidden, { includeStart: true }).length === 0;
}
