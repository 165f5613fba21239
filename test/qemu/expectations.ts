/** What the parts of the test say things with. */
import type { Guest } from './guest.ts';

export interface Expectations {
  expect(met: boolean, where: string, what: string): void;
  line(label: string, value: string): void;
  /** One command that must succeed, and what the guest and the monitor saw of it. */
  change(
    guest: Guest,
    where: string,
    outcome: 'applied' | 'reverted',
    words: readonly string[],
  ): Promise<void>;
}
