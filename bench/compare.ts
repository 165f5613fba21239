/**
 * Comparing and composing a large unit: SQLite's amalgamation, without and with debug information, one function
 * changed. CPU time (garbage collection and compiling included) and elapsed time of parsing both texts, comparing and
 * composing, in a process of its own each time, bundled, with its bytecode and the settings of the build command, as users run it;
 * the floor is a pass over the same bytes that only hashes them.
 *
 *   npm run bench -- compare
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commonJs } from '../scripts/bytecode.mjs';
import { amalgamation, changed, compiled } from '../test/sqlite/amalgamation.ts';
import type { Measured } from './compare-once.ts';
import { median, table } from './figures.ts';

const ROUNDS = 5;
/** Runs the bundle that is named first, as bin/run.cjs runs the commands. */
const RUN = `const { readFileSync } = require('node:fs');
const once = process.argv[1];
const { scriptOf } = require(${JSON.stringify(fileURLToPath(new URL('../bin/run.cjs', import.meta.url)))});
const script = scriptOf(readFileSync(once, 'latin1'), readFileSync(once + '.bytecode'));
if (script.cachedDataRejected) throw new Error('V8 did not take the bytecode');
script.runInThisContext()({}, require, {}, once, '');`;
await measureAll();

async function measureAll(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'suture-bench-'));
  try {
    const { text, bytecode } = await commonJs(fileURLToPath(new URL('compare-once.ts', import.meta.url)), {
      bundle: true,
      platform: 'node',
    });
    const once = join(folder, 'compare-once.cjs');
    writeFileSync(once, text);
    writeFileSync(`${once}.bytecode`, bytecode);
    const original = amalgamation();
    const patched = changed(
      original,
      'return sqlite3_incomplete(zSql)==0;',
      'return sqlite3_incomplete(zSql)<=0;',
    );
    const rows: string[][] = [];
    for (const [name, flags] of [
      ['-O2 -fPIC', []],
      ['-O2 -fPIC -g3', ['-g3']],
    ] as const) {
      const options = ['-O2', '-fPIC', '-w', ...flags, '-S'];
      const sizes = await Promise.all(
        Object.entries({ original, patched }).map(
          async ([version, source]) => (await compiled(source, join(folder, version), options)).length,
        ),
      );
      const runs = Array.from({ length: ROUNDS }, () => {
        const texts = [join(folder, 'original', 'output'), join(folder, 'patched', 'output')];
        const output = execFileSync(process.execPath, ['-e', RUN, once, ...texts], { encoding: 'utf8' });
        const measured: Measured = JSON.parse(output);
        if (measured.found.join() !== 'sqlite3_complete')
          throw new Error(`found ${measured.found.join()} instead of the one change`);
        return measured;
      });
      const middle = (of: (run: Measured) => number): number => median(runs.map(of));
      rows.push([
        name,
        (sizes[0]! / 1e6).toFixed(1),
        middle(({ cpuSeconds }) => cpuSeconds).toFixed(2),
        middle(({ wallSeconds }) => wallSeconds).toFixed(2),
        middle(({ floorSeconds }) => floorSeconds).toFixed(3),
        middle(({ peakMegabytes }) => peakMegabytes).toFixed(0),
      ]);
    }
    console.log(`one function of SQLite changed; medians of ${ROUNDS} processes`);
    console.log(table(['flags', 'MB each', 'CPU s', 'wall s', 'floor s', 'peak MB'], rows));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
