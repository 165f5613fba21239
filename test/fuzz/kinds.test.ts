/** The short form of npm run fuzz. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runFuzz } from './main.ts';

const INPUTS = 4000;

test('changed files, memory and texts of every kind: an answer or a clear error, and no change in a process', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'suture-fuzz-'));
  try {
    const { tallies, failures, isUnchanged } = await runFuzz({ inputs: INPUTS, seed: 1, folder });
    assert.deepEqual(failures, []);
    assert.ok(isUnchanged, 'the process that patches were tried on is as it was');
    for (const { name, inputs } of tallies) assert.ok(inputs > 0, name);
    const patches = tallies.filter(({ name }) => /digest|LibcarePlus/.test(name));
    // Changes that leave a patch sound must be among them, or what lies behind the checks is never reached.
    assert.ok(patches.length > 2 && patches.every(({ taken }) => taken > 0));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
