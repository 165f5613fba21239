import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckOutcome } from '../apply/check.ts';
import { checkText } from './check.ts';
import { plain } from './paint.ts';

const outcomes: CheckOutcome[] = [
  {
    pid: 4242,
    exe: '/srv/noted',
    outcome: 'applicable',
    objects: [
      {
        path: '/srv/noted',
        buildId: '5a31',
        id: 'echo-leak',
        functions: ['echo'],
        region: { address: '0x55d0c0a00000', size: 12288 },
        redirects: [{ function: 'echo', address: '0x55d0c0701234' }],
      },
    ],
  },
  {
    pid: 7,
    exe: '/srv/other',
    outcome: 'refused',
    objects: [],
    code: 'UNSAFE',
    reason: 'the entry of echo was changed',
    remedy: 'remove the hook',
  },
];

test('a check shows where the patch would go, and why not', () => {
  assert.equal(
    checkText(outcomes, plain),
    `CHECK       PID   PROGRAM  PATCH      OBJECT  FUNCTIONS  PLACE
applicable  4242  noted    echo-leak  noted   echo       12.0 KiB at 0x55d0c0a00000
refused     7     other
pid 7: the entry of echo was changed
  try: remove the hook
`,
  );
});
