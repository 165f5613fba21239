import type { Blocker } from './safety.ts';

/** How one process fared. */
export type Outcome =
  | 'applied'
  | 'reverted'
  /** All of it was there (apply), nothing was done. */
  | 'already'
  /** None of the patches is for an object of this process (apply), or none of the ids is in it (revert). */
  | 'not-applicable'
  /** Threads were in the way until the time was over. */
  | 'busy'
  | 'refused'
  | 'failed'
  /** The process ended. */
  | 'gone';

export interface OutcomeObject {
  /** As the process has it mapped. */
  readonly path: string;
  readonly buildId: string;
  /** Of the patch. */
  readonly id: string;
  readonly functions: readonly string[];
}

/** What was done to one process, or why nothing was. */
export interface ProcessOutcome {
  readonly pid: number;
  readonly exe: string;
  readonly outcome: Outcome;
  readonly objects: readonly OutcomeObject[];
  /** How long its threads were held in the attempt that succeeded, or in the longest one; 0 if they never were. */
  readonly stopMicroseconds: number;
  readonly attempts: number;
  readonly reason?: string;
  readonly remedy?: string;
  readonly blockers?: readonly Blocker[];
}
