/**
 * Comparing and composing a large unit: SQLite's amalgamation, without and with debug information, one function
 * changed. CPU time (garbage collection and compiling included) and elapsed time of parsing both texts, comparing and
 * composing, in a process of its own each time, with the settings of the build command; the floor is a pass over the
 * same bytes that only hashes them.
 *
 *   npm run bench -- compare
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { x86_64 } from '../src/arch/x86_64/index.ts';
import { compareUnits, composeUnit, parseUnit } from '../src/asm/index.ts';
import { compileThriftily } from '../src/cli/thrift.ts';
import { amalgamation, changed, compiled } from '../test/sqlite/amalgamation.ts';
import { median, table } from './figures.ts';

const ROUNDS = 5;
const [before, after] = process.argv.slice(2);
if (before !== undefined && after !== undefined) measureHere(before, after);
else await measureAll();

/** What one process found. */
interface Measured {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly floorSeconds: number;
  readonly peakMegabytes: number;
  readonly found: readonly string[];
}

/** Prints what it measured as JSON. */
function measureHere(before: string, after: string): void {
  compileThriftily();
  const texts = [readFileSync(before), readFileSync(after)] as const;
  const start = performance.now();
  let found: readonly string[] = [];
  const cpuSeconds = cpuOf(() => {
    const original = parseUnit(texts[0], x86_64.assembly, 'sqlite3.c');
    const patched = parseUnit(texts[1], x86_64.assembly, 'sqlite3.c');
    const difference = compareUnits(original, patched);
    composeUnit(original, patched, difference);
    found = difference.functions.map(({ name }) => name);
  });
  const wallSeconds = (performance.now() - start) / 1000;
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  const floorSeconds = cpuOf(() => texts.forEach(hash));
  const measured: Measured = { cpuSeconds, wallSeconds, floorSeconds, peakMegabytes, found };
  console.log(JSON.stringify(measured));
}

function cpuOf(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

/** FNV-1a over all bytes. */
function hash(bytes: Uint8Array): number {
  let value = 0x811c9dc5 | 0;
  for (let i = 0; i < bytes.length; i++) value = Math.imul(value ^ bytes[i]!, 0x01000193);
  return value;
}

async function measureAll(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'suture-bench-'));
  try {
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
      const sizes = [];
      for (const [version, text] of Object.entries({ original, patched })) {
        sizes.push((await compiled(text, join(folder, version), options)).length);
      }
      const runs = Array.from({ length: ROUNDS }, () => {
        const texts = [join(folder, 'original', 'output'), join(folder, 'patched', 'output')];
        const self = fileURLToPath(import.meta.url);
        const output = execFileSync(process.execPath, ['--import', 'tsx', self, ...texts], {
          encoding: 'utf8',
        });
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
