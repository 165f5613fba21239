import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome, ProcessOutcome } from './outcome.ts';
import { applyTogether, type Participant } from './together.ts';

const object = { path: '/bin/x', buildId: 'ab', id: 'fix', functions: ['f'] };

/** A process that answers as it is told to, and writes down what was done to it. */
function participant(
  pid: number,
  log: string[],
  answers: { readonly apply: Outcome; readonly takeBack?: Outcome; readonly objects?: boolean },
): Participant {
  const outcome = (outcome: Outcome, reason?: string): ProcessOutcome => ({
    pid,
    exe: `program-${pid}`,
    outcome,
    objects: [object],
    stopMicroseconds: 1,
    attempts: 1,
    ...(reason === undefined ? {} : { reason }),
  });
  return {
    objection: answers.objects === true ? outcome('refused', 'foreign bytes') : undefined,
    apply() {
      log.push(`apply ${pid}`);
      return [outcome(answers.apply)];
    },
    takeBack(ids) {
      log.push(`take ${ids} from ${pid}`);
      return outcome(answers.takeBack ?? 'reverted', 'no reason');
    },
    untouched: (reason) => outcome('undone', reason),
  };
}

const outcomesOf = (outcomes: readonly ProcessOutcome[]) => outcomes.map(({ outcome }) => outcome);

test('one that objects keeps all from being touched', () => {
  const log: string[] = [];
  const all = [
    participant(1, log, { apply: 'applied' }),
    participant(2, log, { apply: 'applied', objects: true }),
  ];
  const outcomes = applyTogether(all);
  assert.deepEqual(outcomesOf(outcomes), ['undone', 'refused']);
  assert.match(outcomes[0]?.reason ?? '', /nothing was done, because process 2 \(program-2\)/);
  assert.deepEqual(log, []);
});

test('one that fails makes those before it be taken back, and those after it not be tried', () => {
  const log: string[] = [];
  const all = (['applied', 'already', 'busy', 'applied'] as const).map((apply, i) =>
    participant(i + 1, log, { apply }),
  );
  assert.deepEqual(outcomesOf(applyTogether(all)), ['undone', 'already', 'busy', 'undone']);
  assert.deepEqual(log, ['apply 1', 'apply 2', 'apply 3', 'take fix from 1']);
});

test('one that ends on its own hinders nobody', () => {
  const all = (['applied', 'gone', 'applied'] as const).map((apply, i) => participant(i, [], { apply }));
  assert.deepEqual(outcomesOf(applyTogether(all)), ['applied', 'gone', 'applied']);
});

test('one that cannot be taken back is said to be patched, with what to do', () => {
  const all = [
    participant(1, [], { apply: 'applied', takeBack: 'busy' }),
    participant(2, [], { apply: 'failed' }),
  ];
  const outcomes = applyTogether(all);
  assert.deepEqual(outcomesOf(outcomes), ['applied', 'failed']);
  assert.match(outcomes[0]?.reason ?? '', /stays patched/);
  assert.equal(outcomes[0]?.remedy, 'suture revert --pid 1 --id fix');
});
