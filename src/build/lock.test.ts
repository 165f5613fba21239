import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { TreeLock } from './lock.ts';

const folder = () => fs.mkdtempSync(path.join(os.tmpdir(), 'suture-lock-'));

test('a second taker is told who holds the lock; afterwards it is free', (t) => {
  const directory = folder();
  t.after(() => fs.rmSync(directory, { recursive: true }));
  const first = TreeLock.take(directory);
  assert.throws(() => TreeLock.take(directory), {
    code: 'BUSY',
    message: new RegExp(`process ${process.pid} `),
  });
  first[Symbol.dispose]();
  using _second = TreeLock.take(directory);
  assert.deepEqual(fs.readdirSync(path.join(directory, '.suture')), ['lock']);
});

test('the lock of a dead process, of a reused number, and a damaged one do not last', async (t) => {
  const directory = folder();
  t.after(() => fs.rmSync(directory, { recursive: true }));
  const child = spawn('true');
  await once(child, 'exit');
  const file = path.join(directory, '.suture/lock');
  fs.mkdirSync(path.dirname(file));
  const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  for (const content of [
    { pid: child.pid, startTime: '5', boot },
    { pid: process.pid, startTime: '5', boot },
    {},
  ]) {
    fs.writeFileSync(file, JSON.stringify(content));
    using _lock = TreeLock.take(directory);
  }
  assert.deepEqual(fs.readdirSync(path.dirname(file)), []);
});
