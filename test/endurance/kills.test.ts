/** A few runs of `npm run endurance -- --kills`. SUTURE_KILLS: how many; SUTURE_SEED. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedOf } from './chance.ts';
import { CASTS, runKills } from './kills.ts';

const KILLS = Number(process.env.SUTURE_KILLS ?? 30);
const seed = seedOf(process.env.SUTURE_SEED);

test(`${KILLS} commands killed at random moments (seed ${seed})`, async () => {
  const totals = await runKills({ kills: KILLS, seed, casts: CASTS.slice(0, KILLS <= 60 ? 3 : 12) });
  assert.equal(totals.kills, KILLS);
});
