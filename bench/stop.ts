/**
 * How long threads are held: applying and reverting a patch of one function to processes of many threads, beside the
 * floor (bench/stop-floor.c, which seizes, interrupts, collects and detaches the same threads and does nothing else),
 * in turns, so that both meet the same machine.
 *
 *   npm run bench -- stop [THREADS…]
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { applyPatches, revertPatches } from '../src/apply/engine.ts';
import type { ProcessOutcome } from '../src/apply/outcome.ts';
import { Target } from '../src/process/target.ts';
import { loadPatches } from '../src/store/catalogue.ts';
import { median, table } from './figures.ts';

const here = dirname(fileURLToPath(import.meta.url));
const suture = join(dirname(here), 'bin', 'suture');
const ROUNDS = 10;
/** The engine's own limit would be kept otherwise, by letting go and trying again: here the figure is wanted. */
const limits = { maxStopMs: 1000, timeoutMs: 30_000 };

const folder = mkdtempSync(join(tmpdir(), 'suture-bench-'));
try {
  const patch = buildPatch();
  const threads = process.argv.slice(2).map(Number);
  const rows: string[][] = [];
  for (const count of threads.length > 0 ? threads : [1, 10, 100, 1000])
    rows.push(await measure(count, patch));
  const head = ['threads', 'floor µs', 'apply µs', 'revert µs', 'apply / floor', 'gap in target, ms'];
  console.log(
    `medians of ${ROUNDS} rounds; the gap is the largest between two looks of a busy thread at the clock`,
  );
  console.log(table(head, rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function buildPatch(): string {
  const tree = join(folder, 'tree');
  execFileSync('mkdir', [tree]);
  copyFileSync(join(here, 'stop-target.c'), join(tree, 'stop-target.c'));
  writeFileSync(join(tree, 'Makefile'), 'stop-target: stop-target.c\n\tgcc -O2 -pthread -o $@ $<\n');
  execFileSync(suture, ['record', '-C', tree, '--', 'make', '-s']);
  const original = readFileSync(join(tree, 'stop-target.c'), 'utf8');
  writeFileSync(
    join(folder, 'fixed.c'),
    original.replace('return asked % 2 + 41;', 'return asked % 2 + 51;'),
  );
  const difference = spawnDiff(join(tree, 'stop-target.c'), join(folder, 'fixed.c'));
  writeFileSync(join(folder, 'fix.diff'), difference);
  const patches = join(folder, 'patches');
  execFileSync(suture, ['build', '-C', tree, '--id', 'bench', '-o', patches, join(folder, 'fix.diff')]);
  execFileSync('gcc', ['-O2', '-o', join(folder, 'stop-floor'), join(here, 'stop-floor.c')]);
  return patches;
}

function spawnDiff(before: string, after: string): string {
  const labels = ['--label', 'a/stop-target.c', '--label', 'b/stop-target.c'];
  try {
    execFileSync('diff', ['-u', ...labels, before, after]);
  } catch (error) {
    const { status, stdout } = error as { status?: number; stdout?: Buffer };
    if (status === 1 && stdout !== undefined) return stdout.toString();
    throw error;
  }
  throw new Error('the benchmark changed nothing in its target');
}

async function measure(count: number, patchFolder: string): Promise<string[]> {
  const child = spawn(join(folder, 'tree', 'stop-target'), [String(count)]);
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next();
    const pid = child.pid!;
    const patches = loadPatches([patchFolder]).map(({ patch }) => patch);
    const floor: number[] = [];
    const apply: number[] = [];
    const revert: number[] = [];
    const gaps: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      // A thread that did not stop in time for a call is let go by a timer; the floor could not seize it before.
      await new Promise((resolve) => setTimeout(resolve, 10));
      floor.push(
        ...execFileSync(join(folder, 'stop-floor'), [String(pid), '1'], { encoding: 'utf8' })
          .split('\n')
          .filter(Boolean)
          .map(Number),
      );
      await largestGap(child, lines);
      apply.push(held(applyPatches([Target.open(pid)], patches, limits)));
      gaps.push(await largestGap(child, lines));
      revert.push(held(revertPatches([Target.open(pid)], ['bench'], limits)));
    }
    const ratio = median(apply) / median(floor);
    return [
      String(count),
      median(floor).toFixed(0),
      median(apply).toFixed(0),
      median(revert).toFixed(0),
      ratio.toFixed(2),
      count > 1 ? (median(gaps) / 1e6).toFixed(1) : '-',
    ];
  } finally {
    child.kill('SIGKILL');
  }
}

function held(outcomes: readonly ProcessOutcome[]): number {
  const [outcome] = outcomes;
  if (outcome === undefined || (outcome.outcome !== 'applied' && outcome.outcome !== 'reverted')) {
    throw new Error(`the benchmark's patch was not taken: ${JSON.stringify(outcome)}`);
  }
  return outcome.stopMicroseconds;
}

/** Nanoseconds since the last question. */
async function largestGap(
  child: ChildProcessWithoutNullStreams,
  lines: AsyncIterator<string>,
): Promise<number> {
  child.stdin.write('\n');
  const { value } = await lines.next();
  return Number(String(value).split(' ')[0]);
}
