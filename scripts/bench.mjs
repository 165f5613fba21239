// npm run bench -- NAME [arguments]: runs one of the benchmarks.
import { ensureBundle, run, setUp } from './setup.mjs';

/** name: what it measures, how it is started, and the Debian packages it needs ('demo' unless named). */
const BENCHES = {
  apply: {
    what: 'whole commands on one process, and the stop in them',
    args: ['--import', 'tsx', 'bench/apply.ts'],
  },
  stop: {
    what: 'the stop beside its floor, for 1 to 1000 threads',
    args: ['--import', 'tsx', 'bench/stop.ts'],
  },
  'apply-all': {
    what: 'one command on 200 processes of one library',
    args: ['--import', 'tsx', 'bench/apply-all.ts'],
  },
  compare: {
    what: 'comparing and composing a unit of 270,000 lines',
    args: ['--import', 'tsx', 'bench/compare.ts'],
  },
  record: {
    what: 'what recording adds to the build of Redis',
    args: ['--import', 'tsx', 'bench/record.ts'],
    needs: 'real',
  },
};

const [name, ...rest] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  console.error('usage: npm run bench -- NAME [arguments]');
  for (const [known, { what }] of Object.entries(BENCHES)) console.error(`  ${known.padEnd(10)} ${what}`);
  process.exit(2);
}
setUp(bench.needs ?? 'demo');
if (!ensureBundle()) process.exit(1);
process.exitCode = run(process.execPath, [...bench.args, ...rest]) ? 0 : 1;
