/**
 * Long runs of what `npm test` does for a short time.
 *
 *   npm run endurance -- [--kills N] [--cycles N] [--seed S] [--first RUN] [--limit SECONDS]
 */
import { parseArgs } from 'node:util';
import { seedOf } from './chance.ts';
import { expectSteady, runCycles } from './cycles.ts';
import { runKills } from './kills.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string' },
    cycles: { type: 'string' },
    seed: { type: 'string' },
    first: { type: 'string', default: '0' },
    limit: { type: 'string' },
  },
});
const limitMs = values.limit === undefined ? Number.POSITIVE_INFINITY : Number(values.limit) * 1000;
const isDefault = values.kills === undefined && values.cycles === undefined;
const kills = Number(values.kills ?? (isDefault ? 1000 : 0));
const cycles = Number(values.cycles ?? (isDefault ? 10_000 : 0));

if (kills > 0) {
  const seed = seedOf(values.seed);
  console.log(`${kills} kills, seed ${seed}, from run ${values.first}`);
  const started = performance.now();
  const totals = await runKills({
    kills,
    seed,
    first: Number(values.first),
    limitMs,
    report: ({ kills: done, completed }, run) => {
      if (done % 50 === 0) console.log(`${done} killed, ${completed} were done before; run ${run}`);
    },
  });
  console.log(JSON.stringify(totals), `${((performance.now() - started) / 1000).toFixed(0)} s`);
}
if (cycles > 0) {
  const totals = await runCycles({ cycles, warmUp: 200, limitMs });
  console.log(JSON.stringify(totals));
  expectSteady(totals);
}
