import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chooseProcesses } from './processes.ts';

describe('choosing processes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'suture-choose-'));
  const program = join(folder, 'sleeper-with-a-long-name');
  let child: ChildProcess;

  before(async () => {
    copyFileSync('/bin/sleep', program);
    child = spawn(program, ['60'], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('spawn', resolve));
  });
  after(() => {
    child.kill();
    rmSync(folder, { recursive: true });
  });

  test('by executable, also through a link', () => {
    assert.deepEqual(chooseProcesses({ exe: [program] }), { named: [], found: [child.pid] });
    symlinkSync(program, join(folder, 'link'));
    assert.deepEqual(chooseProcesses({ exe: [join(folder, 'link')] }).found, [child.pid]);
  });

  test('by name, however long', () => {
    assert.deepEqual(chooseProcesses({ name: ['sleeper-with-a-long-name'] }).found, [child.pid]);
    assert.deepEqual(chooseProcesses({ name: ['sleeper-with-a-'] }).found, [child.pid]);
    assert.deepEqual(chooseProcesses({ name: ['sleeper'] }).found, []);
  });

  test('an executable that was deleted keeps its path', () => {
    rmSync(program);
    assert.deepEqual(chooseProcesses({ exe: [program] }).found, [child.pid]);
  });

  test('all: others, not this one; a number is chosen once', () => {
    const { named, found } = chooseProcesses({ all: true, pid: [child.pid ?? 0, child.pid ?? 0] });
    assert.deepEqual(named, [child.pid]);
    assert.ok(found.length > 0 && !found.includes(process.pid) && !found.includes(child.pid ?? 0));
  });

  test('a process and what descends from it', () => {
    const { named, found } = chooseProcesses({ tree: [process.pid] });
    assert.deepEqual(named, [process.pid]);
    assert.ok(found.includes(child.pid ?? 0), found.join(' '));
    assert.deepEqual(chooseProcesses({ tree: [child.pid ?? 0] }), { named: [child.pid], found: [] });
  });

  test('nothing chosen is an error', () => {
    assert.throws(() => chooseProcesses({}), { code: 'USAGE' });
  });
});
