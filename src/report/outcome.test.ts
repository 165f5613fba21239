import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProcessOutcome } from '../apply/outcome.ts';
import { outcomesDocument, outcomesText } from './outcome.ts';
import { plain } from './paint.ts';

const object = { path: '/srv/noted', buildId: '5a31', id: 'echo-leak', functions: ['echo', 'close'] };
const applied: ProcessOutcome = {
  pid: 4242,
  exe: '/srv/noted',
  outcome: 'applied',
  objects: [object, { ...object, path: '/usr/lib/libnote.so.1', functions: ['note_set'] }],
  stopMicroseconds: 412,
  attempts: 1,
};
const busy: ProcessOutcome = {
  pid: 4243,
  exe: '/srv/noted',
  outcome: 'busy',
  objects: [],
  stopMicroseconds: 1380,
  attempts: 12,
  reason: 'one thread did not leave echo within 10 s',
  remedy: 'raise --timeout',
  blockers: [{ tid: 4250, comm: 'worker', frames: ['echo+0x12', 'command_run+0x88'], why: 'is in echo' }],
};

test('one row for each process and object', () => {
  assert.equal(
    outcomesText([applied], plain),
    `OUTCOME  PID   PROGRAM  PATCH      OBJECT        FUNCTIONS    STOPPED FOR
applied  4242  noted    echo-leak  noted         echo, close  412 µs
                        echo-leak  libnote.so.1  note_set
`,
  );
});

test('whoever was in the way is named, with frames and remedy, and the totals follow', () => {
  const lines = outcomesText([applied, busy], plain).split('\n');
  assert.equal(
    lines[3],
    'busy     4243  noted                                          1.38 ms, 12 attempts',
  );
  assert.deepEqual(lines.slice(4), [
    'pid 4243: one thread did not leave echo within 10 s',
    '  thread 4250 (worker): is in echo',
    '    #0 echo+0x12',
    '    #1 command_run+0x88',
    '  try: raise --timeout',
    '1 applied, 1 busy',
    '',
  ]);
});

test('no process at all is said in words', () => {
  assert.match(outcomesText([], plain), /^no process/);
});

test('the JSON document leaves out what is not there', () => {
  const document = JSON.parse(JSON.stringify(outcomesDocument([applied, busy])));
  assert.deepEqual(Object.keys(document.processes[0]), [
    'pid',
    'exe',
    'outcome',
    'objects',
    'stopMicroseconds',
    'attempts',
  ]);
  assert.equal(document.processes[1].blockers[0].frames.length, 2);
});
