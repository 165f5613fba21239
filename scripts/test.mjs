// npm test: sets up what is missing, then runs every phase and says the totals on the last line.
//
//   node scripts/test.mjs [--only PHASE[,PHASE]] [--quick] [--list]
//
// --quick leaves out the phase that emulates another machine.
//
// Node's own modules only at the top: it must run before npm ci.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { root, run, setUp } from './setup.mjs';
import { addCounts, countsOfTap, nothingCounted } from './tally.mjs';

/** A tool that must end well counts as one test. */
const tool = (name, what, command, ...args) => ({
  name,
  what,
  go: () => ({ ...nothingCounted, [run(command, args) ? 'passed' : 'failed']: 1 }),
});

/** Test files of the project, run by node's test runner. */
const tests = (name, what, ...folders) => ({
  name,
  what,
  folders,
  go: () => runTests(name, folders.flatMap(testsBelow)),
});

const npx = (program) => join(root, 'node_modules/.bin', program);

const PHASES = [
  tool('bundle', 'bundle and declaration files', process.execPath, 'scripts/bundle.mjs'),
  tool('types', 'type check', npx('tsc'), '-p', 'tsconfig.json'),
  tool('pure', 'pure folders compile without node', npx('tsc'), '-p', 'tsconfig.pure.json'),
  tool('style', 'formatter and linter', npx('biome'), 'check'),
  tool('layers', 'import directions', process.execPath, '--import', 'tsx', 'scripts/layers.ts'),
  tool(
    'supported',
    'the page of what is supported is what the cases say',
    process.execPath,
    '--import',
    'tsx',
    'scripts/supported.ts',
    '--check',
  ),
  tests('unit', 'unit tests beside their source', 'src', 'scripts'),
  tests('conformance', 'facts of every CPU', 'test/conformance'),
  tests('rival', 'results compared with readelf, objdump, gdb, …', 'test/rival'),
  tests('fuzz', 'parsers under mutated input', 'test/fuzz'),
  tests('engine', 'the apply engine on live processes', 'test/apply'),
  tests('endurance', 'targets that end, tools that are killed, cycle after cycle', 'test/endurance'),
  tests('programs', 'programs patched while they run', 'test/programs'),
  {
    ...tests('aarch64', 'programs patched in an emulated AArch64 machine', 'test/aarch64'),
    isEmulated: true,
  },
  tests('build-systems', 'recording and patching under cmake, meson, ccache, …', 'test/build-systems'),
  tests('sqlite', 'the comparison on a unit of 270,000 lines', 'test/sqlite'),
  tests('compat', 'files, processes and commands of LibcarePlus', 'test/compat'),
  tests('cli', 'the command line from end to end', 'test/cli'),
  tool('demo', 'what npm run demo shows', process.execPath, 'scripts/demo.mjs'),
];

/** Every *.test.ts and *.test.mjs below a folder of the project, in a stable order. */
function testsBelow(folder) {
  const at = join(root, folder);
  if (!existsSync(at)) return [];
  return readdirSync(at, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.test\.(ts|mjs)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.path, entry.name)))
    .sort();
}

/** Test files that no phase runs. */
function forgottenTests() {
  const run = new Set(PHASES.flatMap((phase) => phase.folders ?? []).flatMap(testsBelow));
  return ['src', 'test', 'scripts'].flatMap(testsBelow).filter((file) => !run.has(file));
}

/** A test file that takes longer hangs: the slowest takes a fraction of this, also on a machine with other work. */
const TEST_TIMEOUT_MS = 15 * 60_000;

function runTests(name, files) {
  if (files.length === 0) {
    console.log(`no test file for phase ${name}`);
    return { ...nothingCounted, failed: 1 };
  }
  const folder = mkdtempSync(join(tmpdir(), 'suture-test-'));
  try {
    const tap = join(folder, 'result.tap');
    const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap'];
    const ended = spawnSync(
      process.execPath,
      [
        '--import',
        'tsx',
        '--test',
        '--test-concurrency=2',
        `--test-timeout=${TEST_TIMEOUT_MS}`,
        ...reporters,
        `--test-reporter-destination=${tap}`,
        ...files,
      ],
      { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
    );
    const counts = countsOfTap(existsSync(tap) ? readFileSync(tap, 'utf8') : '');
    // A runner that died, or that failed without saying which test did, is a failure of its own.
    if (ended.status !== 0 && counts.failed === 0) return { ...counts, failed: 1 };
    return counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function main() {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, quick: { type: 'boolean' }, list: { type: 'boolean' } },
  });
  if (values.list) {
    for (const phase of PHASES) console.log(`${phase.name.padEnd(12)} ${phase.what}`);
    return 0;
  }
  const wanted = values.only?.split(',');
  const unknown = wanted?.filter((name) => !PHASES.some((phase) => phase.name === name)) ?? [];
  if (unknown.length > 0) {
    console.error(`no phase named ${unknown.join(', ')}; see --list`);
    return 2;
  }
  const forgotten = forgottenTests();
  if (forgotten.length > 0) {
    console.error(`no phase runs ${forgotten.join(', ')}: give the folder a phase in scripts/test.mjs`);
    return 1;
  }
  setUp('test');

  const rows = [];
  for (const phase of PHASES) {
    if (wanted !== undefined && !wanted.includes(phase.name)) continue;
    if (values.quick && phase.isEmulated) continue;
    console.log(`\n== ${phase.name}: ${phase.what}`);
    const start = Date.now();
    rows.push({ phase, counts: phase.go(), seconds: (Date.now() - start) / 1000 });
  }

  console.log('');
  for (const { phase, counts, seconds } of rows) {
    const { passed, failed, skipped } = counts;
    const numbers = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    console.log(
      `${failed > 0 ? 'FAIL' : 'ok  '} ${phase.name.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s  (${numbers})`,
    );
  }
  const total = rows.map((row) => row.counts).reduce(addCounts, nothingCounted);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (total.skipped > 0 && process.env.CI) {
    console.error('a skipped test counts as a failure in CI');
    return 1;
  }
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

process.exitCode = main();
