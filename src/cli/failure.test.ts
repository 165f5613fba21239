import assert from 'node:assert/strict';
import { test } from 'node:test';
import { during, SutureError } from '../base/errors.ts';
import { plain } from '../report/paint.ts';
import { failureDocument, failureExit, failureText } from './failure.ts';

function raised(): unknown {
  try {
    during('applying fix to pid 7', () => {
      throw new SutureError('NO_ROOM', 'no free 2 MiB', { remedy: 'unload something' });
    });
  } catch (error) {
    return error;
  }
  return undefined;
}

test('an error says what, while doing what, and what to do', () => {
  assert.equal(
    failureText(raised(), plain),
    'suture: no free 2 MiB [NO_ROOM]\n  while applying fix to pid 7\n  try: unload something\n',
  );
  assert.equal(failureExit(raised()), 4);
});

test('the same as JSON', () => {
  assert.deepEqual(failureDocument(raised()), {
    error: {
      code: 'NO_ROOM',
      message: 'no free 2 MiB',
      context: ['applying fix to pid 7'],
      remedy: 'unload something',
    },
  });
});

test('a defect shows where it happened', () => {
  const defect = new TypeError('x is not a function');
  assert.match(failureText(defect, plain), /a defect of suture.*\n.*TypeError: x is not a function\n\s+at /s);
  assert.equal(failureExit(defect), 1);
  assert.equal(failureDocument(defect).error.code, 'INTERNAL');
});
