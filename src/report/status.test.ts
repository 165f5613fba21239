import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remote } from '../bytes/address.ts';
import { plain } from './paint.ts';
import { findingsText, type ProcessStatus, statusDocument, statusText } from './status.ts';

const status: ProcessStatus = {
  pid: 4242,
  exe: '/srv/noted',
  objects: [
    {
      path: '/srv/noted',
      buildId: '5a31f0c2d9e4aa',
      patches: [
        {
          id: 'echo-leak',
          description: 'Echo no more than has come',
          origin: 'suture',
          standing: 'active',
          level: 0,
          functions: [
            {
              name: 'echo',
              address: remote(0x1000n),
              replacement: remote(0x9000n),
              replacementSize: 32,
              inForce: true,
            },
            {
              name: 'count',
              address: remote(0x1100n),
              replacement: remote(0x9100n),
              replacementSize: 64,
              inForce: false,
            },
          ],
          region: { start: remote(0x8000n), size: 12288 },
        },
      ],
    },
  ],
};

test('status: one row for each patch; a function that a newer patch has is in brackets', () => {
  assert.equal(
    statusText([status], plain),
    `PID   PROGRAM  PATCH      STATE   OBJECT                FUNCTIONS      PLACE
4242  noted    echo-leak  active  noted (5a31f0c2d9e4)  echo, (count)  0x8000
`,
  );
  assert.equal(statusText([], plain), 'no patches\n');
});

test('status as JSON: addresses are hexadecimal strings', () => {
  const [process] = statusDocument([status]).processes;
  const [patch] = process?.objects[0]?.patches ?? [];
  assert.equal(patch?.functions[0]?.address, '0x1000');
  assert.deepEqual(patch?.region, { address: '0x8000', size: 12288 });
  assert.doesNotThrow(() => JSON.stringify(statusDocument([status])));
});

test('verify: one row for each finding', () => {
  const findings = [
    {
      severity: 'ok',
      kind: 'sound',
      id: 'echo-leak',
      object: '/srv/noted',
      text: '2 functions as they should be',
    },
  ] as const;
  assert.equal(
    findingsText([{ pid: 4242, exe: '/srv/noted', findings }], plain),
    `VERIFY  PID   PROGRAM  PATCH      OBJECT  FOUND
ok      4242  noted    echo-leak  noted   2 functions as they should be
`,
  );
});
