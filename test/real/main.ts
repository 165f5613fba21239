/**
 * Real servers from Debian's source packages, built without a fix of theirs, patched with it under load, and taken
 * back. Every expectation that fails is listed, and the exit code is 1.
 *
 *     npm run test:real -- [--only NAME] [--fresh]
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BuildReport, json, processes, repository, run, suture } from '../programs/harness.ts';
import { unpackedBase } from './debian-source.ts';
import { nginx } from './nginx.ts';
import { redis } from './redis.ts';
import type { Fix, RealServer, RunningServer } from './server.ts';

const { values: options } = parseArgs({
  options: { only: { type: 'string' }, fresh: { type: 'boolean', default: false } },
});
const cache = join(repository, '.cache/real');
const servers = [redis, nginx].filter(
  ({ name }) => options.only === undefined || options.only.split(',').includes(name),
);
if (servers.length === 0) {
  console.error(`no server is named ${options.only}: redis, nginx`);
  process.exit(2);
}

const failures: string[] = [];
for (const server of servers) {
  try {
    await testServer(server);
  } catch (error) {
    expect(false, server.name, error instanceof Error ? error.message : String(error));
  }
}
console.log(
  failures.length === 0
    ? '\nall expectations met'
    : `\n${failures.length} failed:\n  ${failures.join('\n  ')}`,
);
process.exitCode = failures.length === 0 ? 0 : 1;

function expect(met: boolean, where: string, what: string): void {
  if (met) return;
  failures.push(`${where}: ${what}`);
  console.log(`  FAILED ${what}`);
}

function line(label: string, value: string): void {
  console.log(`  ${label.padEnd(22)}${value}`);
}

async function testServer(server: RealServer): Promise<void> {
  console.log(`\n${server.name} ${server.source.version} (${server.parallelism})`);
  if (options.fresh) rmSync(join(cache, server.source.name), { recursive: true, force: true });
  const { tree, patches } = await builtBase(server);
  line('lines of C', linesOfC(tree, server.sources).toLocaleString('en'));

  const folder = mkdtempSync(join(tmpdir(), `suture-real-${server.name}-`));
  try {
    const built: { fix: Fix; out: string }[] = [];
    for (const fix of server.fixes)
      built.push({ fix, out: await buildFix(server, fix, tree, patches, folder) });
    const running = await server.start(tree, folder);
    try {
      await patchUnderLoad(server, running, built);
    } finally {
      await running.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The base, built by its own build system under the recorder, once for each recipe. */
async function builtBase(server: RealServer): Promise<{ tree: string; patches: string }> {
  const recipe = JSON.stringify([server.configure, server.build]);
  const { tree, patches, ready, markReady } = await unpackedBase(cache, server.source, recipe);
  if (ready) {
    line('base', 'as built before');
    return { tree, patches };
  }
  const [configure, ...words] = server.configure;
  if (configure !== undefined) {
    const { code, stdout, stderr } = await run(configure, words, { cwd: tree, seconds: 600 });
    if (code !== 0) throw new Error(`configure ended with ${code}:\n${(stdout + stderr).slice(-3000)}`);
  }
  const start = performance.now();
  const recorded = await suture(['record', '-C', tree, '--', ...server.build], { seconds: 1800 });
  if (recorded.code !== 0)
    throw new Error(
      `suture record ended with ${recorded.code}:\n${(recorded.stdout + recorded.stderr).slice(-3000)}`,
    );
  line('base', `built under the recorder in ${((performance.now() - start) / 1000).toFixed(0)} s`);
  markReady();
  return { tree, patches };
}

async function buildFix(
  server: RealServer,
  fix: Fix,
  tree: string,
  patches: string,
  folder: string,
): Promise<string> {
  const out = join(folder, fix.id);
  const where = `${server.name} ${fix.id}`;
  const start = performance.now();
  const diffs = fix.patches.map((name) => join(patches, name));
  const built = await suture(['build', '-C', tree, '--id', fix.id, '-o', out, '--json', ...diffs], {
    seconds: 600,
  });
  const seconds = (performance.now() - start) / 1000;
  if (built.code !== 0)
    throw new Error(`suture build ${fix.id} ended with ${built.code}:\n${built.stdout}${built.stderr}`);
  const report = json<BuildReport>(built);
  const functions = report.patches.flatMap((patch) => patch.functions);
  console.log(`  ${fix.id}: ${fix.about}`);
  line(
    '  patch',
    `${functions.length} functions, ${seconds.toFixed(1)} s from diff to patch, ${report.patches.reduce((sum, { units }) => sum + (units ?? 0), 0)} units recompiled`,
  );
  for (const { name, kind, reason } of functions) line(`    ${kind}`, `${name}: ${reason}`);
  expect(report.patches.length === 1, where, `one patch, not ${report.patches.length}`);
  const stems = new Set(functions.map(({ name }) => name.replace(/\..*/, '')));
  for (const name of fix.functions) expect(stems.has(name), where, `the patch has ${name}`);
  return out;
}

async function patchUnderLoad(
  server: RealServer,
  running: RunningServer,
  built: readonly { fix: Fix; out: string }[],
): Promise<void> {
  const load = server.load(running);
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1500));
  const probes = async (expected: (fix: Fix) => 'open' | 'closed', when: string): Promise<void> => {
    for (const { fix } of built) {
      const state = await fix.probe(running);
      line(`  ${when}`, `${fix.id} ${state}`);
      expect(
        state === expected(fix),
        `${server.name} ${fix.id}`,
        `${when} the hole is ${state}, not ${expected(fix)}`,
      );
    }
  };
  const closed = new Set<Fix>();
  await pause();
  await probes(() => 'open', 'before');
  for (const { fix, out } of built) {
    await change(server, running, fix, 'applied', ['apply', '--exe', running.executable, '--json', out]);
    closed.add(fix);
    await pause();
    await probes((one) => (closed.has(one) ? 'closed' : 'open'), 'applied');
  }
  for (const { fix } of built) {
    await change(server, running, fix, 'reverted', [
      'revert',
      '--exe',
      running.executable,
      '--id',
      fix.id,
      '--json',
    ]);
    closed.delete(fix);
    await pause();
    await probes((one) => (closed.has(one) ? 'closed' : 'open'), 'reverted');
  }
  const { requests, failed, longestMs, firstFailure } = await load.stop();
  line(
    'load',
    `${requests.toLocaleString('en')} requests, ${failed} failed, longest wait ${longestMs.toFixed(1)} ms`,
  );
  expect(failed === 0, server.name, `no request fails; ${failed} did: ${firstFailure}`);
  expect(requests > 1000, server.name, `a load worth the name: ${requests} requests`);
}

async function change(
  server: RealServer,
  running: RunningServer,
  fix: Fix,
  outcome: 'applied' | 'reverted',
  words: readonly string[],
): Promise<void> {
  const start = performance.now();
  const finished = await suture(words);
  const seconds = (performance.now() - start) / 1000;
  const where = `${server.name} ${fix.id}`;
  expect(finished.code === 0, where, `${words[0]} ends with 0, not ${finished.code}: ${finished.stderr}`);
  if (finished.stdout.trim() === '') return;
  const reports = processes(finished);
  const stops = reports.map(({ stopMicroseconds }) => stopMicroseconds);
  line(
    `  ${words[0]}`,
    `${fix.id} to ${reports.length} processes in ${seconds.toFixed(2)} s, stops of ${stops.join(', ')} µs`,
  );
  const done = reports.filter((report) => report.outcome === outcome).map(({ pid }) => pid);
  expect(
    running.pids.every((pid) => done.includes(pid)),
    where,
    `all of ${running.pids.join(', ')} are ${outcome}, not only ${done.join(', ')}`,
  );
}

function linesOfC(tree: string, folders: readonly string[]): number {
  let lines = 0;
  for (const folder of folders) {
    for (const entry of readdirSync(join(tree, folder), { withFileTypes: true, recursive: true })) {
      if (entry.isFile() && /\.[ch]$/.test(entry.name))
        lines +=
          readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'latin1').split('\n').length - 1;
    }
  }
  return lines;
}
