import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome, ProcessOutcome } from '../apply/outcome.ts';
import { concerning, outcomeExit } from './outcome-exit.ts';

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
  [['undone', 'busy', 'undone'], 4],
  [['undone', 'failed'], 1],
  [['applied', 'undone', 'busy'], 7],
];

for (const [outcomes, exit] of cases) {
  test(`${outcomes.join(', ') || 'no process'}: exit ${exit}`, () => {
    assert.equal(outcomeExit(outcomes.map((outcome) => ({ outcome }))), exit);
  });
}

test('processes that nobody named are passed by when they have no part in it', () => {
  const one = (pid: number, outcome: Outcome): ProcessOutcome => ({
    pid,
    exe: '/srv/noted',
    outcome,
    objects: [],
    stopMicroseconds: 0,
    attempts: 0,
  });
  const all = [
    one(1, 'applied'),
    one(2, 'not-applicable'),
    one(3, 'gone'),
    one(4, 'gone'),
    one(5, 'refused'),
  ];
  assert.deepEqual(
    concerning(all, [4]).map(({ pid }) => pid),
    [1, 4, 5],
  );
});
