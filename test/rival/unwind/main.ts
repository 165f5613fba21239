/**
 * npm run test:unwind: the stacks of real programs at random moments, walked by us and by gdb.
 *
 *   --stops N (60)  moments of each program     --only NAME[,NAME]     --seed N     --show (every stack that differs)
 *
 * Ends with 1 if a return address was missed, a program did not run, or fewer than --frames N (10000 with all programs) were compared.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compareProgram, HEADING, rowOf, sumOf, type Tally } from './campaign.ts';
import { sampledPrograms } from './programs.ts';

const { values } = parseArgs({
  options: {
    stops: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    frames: { type: 'string' },
    only: { type: 'string' },
    show: { type: 'boolean', default: false },
  },
});
const stops = Number(values.stops);
const seed = Number(values.seed);
const wanted = Number(values.frames ?? (values.only === undefined ? 10_000 : 1));
const folder = mkdtempSync(join(tmpdir(), 'suture-unwind-'));
const tallies: Tally[] = [];
try {
  console.log(`seed ${seed}, ${stops} moments of each program\n${HEADING}`);
  for (const program of sampledPrograms(folder, values.only?.split(','))) {
    const tally = await compareProgram(program, { folder, stops, seed }, ({ agreement, details }) => {
      const isNotable = agreement === 'differs' || agreement === 'missed';
      if (values.show || isNotable) console.log(`${program.name}: ${agreement}\n${details}`);
    });
    tallies.push(tally);
    console.log(rowOf(program.name, tally));
    if (tally.moments === 0) {
      console.log(`${program.name} was never seen to run`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const sum = sumOf(tallies);
console.log(rowOf('together', sum));
if (sum.agreements.missed > 0 || sum.compared < wanted) process.exitCode = 1;
