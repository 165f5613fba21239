import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../apply/outcome.ts';
import { outcomeExit } from './outcome-exit.ts';

const cases: [Outcome[], number][] = [
  [[], 3],
  [['applied'], 0],
  [['reverted', 'reverted'], 0],
  [['applied', 'already', 'not-applicable', 'gone'], 0],
  [['applied', 'busy'], 7],
  [['applied', 'failed'], 7],
  [['refused', 'applied'], 7],
  [['already'], 3],
  [['not-applicable', 'already'], 3],
  [['busy', 'not-applicable'], 4],
  [['refused'], 4],
  [['refused', 'failed'], 1],
  [['gone'], 1],
];

for (const [outcomes, exit] of cases) {
  test(`${outcomes.join(', ') || 'no process'}: exit ${exit}`, () => {
    assert.equal(outcomeExit(outcomes.map((outcome) => ({ outcome }))), exit);
  });
}
