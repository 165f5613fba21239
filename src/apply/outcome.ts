/** What became of each process under apply and revert. */
import type { Blocker } from './safety.ts';

export type Outcome =
  | 'applied'
  | 'reverted'
  /** Nothing to do: it is as asked for. */
  | 'already'
  | 'not-applicable'
  /** Not done, or taken back, because another process could not be done and all or none was asked for. */
  | 'undone'
  /** Threads were in the way until the time was up. */
  | 'busy'
  | 'refused'
  | 'failed'
  | 'gone';

export interface OutcomeObject {
  readonly path: string;
  readonly buildId: string;
  readonly id: string;
  /** Changed functions. */
  readonly functions: readonly string[];
}

export interface ProcessOutcome {
  readonly pid: number;
  readonly exe: string;
  readonly outcome: Outcome;
  readonly objects: readonly OutcomeObject[];
  /** The longest that any thread was held, in microseconds; 0 if none was. */
  readonly stopMicroseconds: number;
  /** Stops that were made. */
  readonly attempts: number;
  readonly reason?: string;
  readonly remedy?: string;
  readonly blockers?: readonly Blocker[];
  /** What the user should know although all went well. */
  readonly notes?: readonly string[];
}
