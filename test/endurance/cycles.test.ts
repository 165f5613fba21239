/** A few cycles of `npm run endurance -- --cycles`. SUTURE_CYCLES: how many. */
import { test } from 'node:test';
import { expectSteady, runCycles } from './cycles.ts';

const CYCLES = Number(process.env.SUTURE_CYCLES ?? 50);

test(`${CYCLES} cycles of apply and revert on a server under load`, async () => {
  expectSteady(await runCycles({ cycles: CYCLES, warmUp: 20 }));
});
