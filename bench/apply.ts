/**
 * What an operator waits for: whole commands on a process of one thread, and the stop in them, beside the floors of
 * the same rounds: `node` that does nothing, and a C program that stops the process and does nothing else.
 *
 *   npm run bench -- apply
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../test/programs/case.ts';
import { assertExit, processes, suture, Workspace } from '../test/programs/harness.ts';
import { median, table } from './figures.ts';

const ROUNDS = 10;
const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'suture-bench-'));
const floorProgram = join(folder, 'stop-floor');
execFileSync('gcc', ['-O2', '-o', floorProgram, join(here, 'stop-floor.c')]);

const { workspace, diff } = await Workspace.of(loadCase(here, 'timing'), []);
try {
  assertExit(await workspace.build('timing', diff), 0);
  const program = workspace.start();
  const target = ['--pid', String(program.pid)];
  const seconds: Record<string, number[]> = { node: [], check: [], apply: [], status: [], revert: [] };
  const stops: Record<string, number[]> = { floor: [], apply: [], revert: [] };
  const timed = async (name: string, args: readonly string[]) => {
    const start = performance.now();
    const result = await suture([...args, '--json']);
    seconds[name]?.push((performance.now() - start) / 1000);
    assertExit(result, 0);
    const stop = processes(result)[0]?.stopMicroseconds;
    if (typeof stop === 'number') stops[name]?.push(stop);
  };
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    execFileSync(process.execPath, ['-e', '0']);
    seconds.node?.push((performance.now() - start) / 1000);
    stops.floor?.push(Number(execFileSync(floorProgram, [String(program.pid), '1'], { encoding: 'utf8' })));
    await timed('check', ['check', ...target, workspace.patches]);
    await timed('apply', ['apply', ...target, workspace.patches]);
    await timed('status', ['status', ...target]);
    await timed('revert', ['revert', ...target, '--id', 'timing']);
  }
  console.log(`medians of ${ROUNDS} rounds, each command a process of its own`);
  const row = ([name, values]: [string, number[]], digits: number) => [name, median(values).toFixed(digits)];
  console.log(
    table(
      ['command', 'seconds'],
      Object.entries(seconds).map((entry) => row(entry, 3)),
    ),
  );
  console.log(
    table(
      ['stop', 'µs'],
      Object.entries(stops).map((entry) => row(entry, 0)),
    ),
  );
} finally {
  await workspace.close();
  rmSync(folder, { recursive: true });
}
