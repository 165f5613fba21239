/** The short form of npm run test:unwind. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { compareProgram } from './campaign.ts';
import { sampledPrograms } from './programs.ts';

const STOPS = 5;
const CHOSEN = ['rare -O2', 'rare -O2 static stripped', 'perl', 'bash', 'node'];

test('stacks at random moments are as gdb walks them, and the search finds what the walk does not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'suture-unwind-'));
  try {
    let signals = 0;
    for (const program of sampledPrograms(folder, CHOSEN)) {
      const notable: string[] = [];
      const tally = await compareProgram(program, { folder, stops: STOPS, seed: 1 }, (found) => {
        if (found.agreement === 'missed' || found.agreement === 'differs') notable.push(found.details);
      });
      assert.deepEqual(notable, [], program.name);
      assert.ok(tally.moments > 0 && tally.compared > STOPS, `${program.name} was looked at`);
      signals += tally.signalFrames;
    }
    assert.ok(signals > 0, 'frames of signal handlers are among them');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
