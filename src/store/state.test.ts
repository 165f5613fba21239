import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { remote } from '../bytes/address.ts';
import { Journal, startTimeOf, stateDirectory, sweepJournals } from './state.ts';

const inDirectory = (work: (directory: string) => void) => () => {
  const directory = mkdtempSync(join(tmpdir(), 'suture-state-'));
  try {
    work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
};
const target = { pid: process.pid, startTime: BigInt(startTimeOf(process.pid) ?? '0') };
const mapping = { start: remote(0x7f00_0000_0000n), size: 8192 };

test(
  'a journal is there while the work goes on and gone afterwards',
  inDirectory((directory) => {
    {
      using journal = Journal.open(target, directory);
      journal.intend(mapping);
      assert.deepEqual(readdirSync(directory), [`${target.pid}-${target.startTime}`]);
      assert.equal(Journal.isLeft(target, directory), false, 'at work, and not dead');
    }
    assert.deepEqual(readdirSync(directory), []);
  }),
);

test(
  'two commands never work on one process',
  inDirectory((directory) => {
    using _first = Journal.open(target, directory);
    assert.throws(
      () => Journal.open(target, directory),
      (error: Error & { code?: string }) => error.code === 'BUSY',
    );
  }),
);

test(
  'what a dead command intended is inherited, and kept until the work is done',
  inDirectory((directory) => {
    const dead = spawnSync('true').pid;
    const left = { tool: { pid: dead, startTime: '1' }, mappings: [{ start: '0x7f0000000000', size: 8192 }] };
    writeFileSync(join(directory, `${target.pid}-${target.startTime}`), JSON.stringify(left));
    assert.equal(Journal.isLeft(target, directory), true);
    using journal = Journal.open(target, directory);
    assert.deepEqual(journal.inherited, [mapping]);
    assert.equal(readdirSync(directory).length, 1);
  }),
);

test(
  'a half-written journal is no obstacle',
  inDirectory((directory) => {
    writeFileSync(join(directory, `${target.pid}-${target.startTime}`), '{"tool":{"pi');
    using journal = Journal.open(target, directory);
    assert.deepEqual(journal.inherited, []);
  }),
);

test(
  'of what is noted one by one, all is inherited but what was never written to its end',
  inDirectory((directory) => {
    const path = join(directory, `${target.pid}-${target.startTime}`);
    using journal = Journal.open(target, directory);
    const later = { start: remote(0x7f00_0010_0000n), size: 4096 };
    journal.intend(mapping);
    journal.intend(later);
    const own = startTimeOf(process.pid);
    const killed = readFileSync(path, 'utf8').replace(`"startTime":"${own}"`, '"startTime":"1"');
    writeFileSync(path, `${killed}{"start":"0x7f00002`);
    using next = Journal.open(target, directory);
    assert.deepEqual(next.inherited, [mapping, later]);
    const text = readFileSync(path, 'utf8');
    assert.match(text, /7f0000000000.*7f0000100000/s, 'and stays noted');
  }),
);

test('journals of processes that are gone are swept', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'suture-state-'));
  const child = spawn('sleep', ['60']);
  try {
    writeFileSync(join(directory, `${child.pid}-${startTimeOf(child.pid ?? 0)}`), '{}');
    writeFileSync(join(directory, `${child.pid}-1`), '{}');
    sweepJournals(directory);
    assert.deepEqual(readdirSync(directory), [`${child.pid}-${startTimeOf(child.pid ?? 0)}`]);
  } finally {
    child.kill();
    rmSync(directory, { recursive: true });
  }
});

test('the run directory can be chosen', () => {
  assert.equal(stateDirectory({ SUTURE_STATE_DIR: '/somewhere' }), '/somewhere');
});
