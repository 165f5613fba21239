/**
 * Comparing and composing a large unit: SQLite's amalgamation, without and with debug information, one function
 * changed. CPU time of parsing both texts, comparing and composing, in a process of its own each time.
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
import { amalgamation, changed, compiled } from '../test/sqlite/amalgamation.ts';
import { median, table } from './figures.ts';

const ROUNDS = 5;
const [before, after] = process.argv.slice(2);
if (before !== undefined && after !== undefined) measureHere(before, after);
else await measureAll();

/** Prints CPU seconds, peak memory in MB, and what was found. */
function measureHere(before: string, after: string): void {
  const texts = [readFileSync(before), readFileSync(after)] as const;
  const start = process.cpuUsage();
  const original = parseUnit(texts[0], x86_64.assembly, 'sqlite3.c');
  const patched = parseUnit(texts[1], x86_64.assembly, 'sqlite3.c');
  const difference = compareUnits(original, patched);
  composeUnit(original, patched, difference);
  const { user, system } = process.cpuUsage(start);
  const names = difference.functions.map(({ name }) => name).join(' ');
  console.log(`${(user + system) / 1e6} ${process.resourceUsage().maxRSS / 1024} ${names}`);
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
        const line = execFileSync(process.execPath, ['--import', 'tsx', self, ...texts], {
          encoding: 'utf8',
        });
        const [seconds, megabytes, ...names] = line.trim().split(' ');
        if (names.join() !== 'sqlite3_complete')
          throw new Error(`found ${names.join()} instead of the one change`);
        return { seconds: Number(seconds), megabytes: Number(megabytes) };
      });
      rows.push([
        name,
        (sizes[0]! / 1e6).toFixed(1),
        median(runs.map(({ seconds }) => seconds)).toFixed(2),
        median(runs.map(({ megabytes }) => megabytes)).toFixed(0),
      ]);
    }
    console.log(`one function of SQLite changed; medians of ${ROUNDS} processes`);
    console.log(table(['flags', 'MB each', 'CPU s', 'peak MB'], rows));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
