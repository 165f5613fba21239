/**
 * QEMU from Debian's source package, built unchanged under the recorder, patched with fixes of its stable releases while
 * a guest works in it, and taken back. Every expectation that fails is listed, and the exit code is 1.
 *
 *     npm run test:qemu -- [--fresh] [--cycles N] [--only ID[,ID]]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BuildReport, json, processes, repository, run, suture } from '../programs/harness.ts';
import { type SourcePackage, unpackedBase } from '../real/debian-source.ts';
import { compileTime } from './compile-time.ts';
import { cycles } from './cycles.ts';
import type { Expectations } from './expectations.ts';
import { FIXES, type QemuFix, sectionsOf } from './fixes.ts';
import { Guest, guestFiles, isBuilt } from './guest.ts';
import { hungMainLoop } from './hung.ts';
import { suspendedRequest } from './suspended-request.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    fresh: { type: 'boolean', default: false },
    cycles: { type: 'string', default: '200' },
  },
});

const SOURCE: SourcePackage = {
  name: 'qemu',
  version: '1:7.2+dfsg-7+deb12u18',
  firstPatchLeftOut: 'v7.2.10.diff',
  laterPatches: ['skip-meson-pc-bios.diff', 'ignore-roms-dependency-in-qtest.patch'],
};
const CONFIGURE = [
  '../configure',
  '--target-list=x86_64-softmmu',
  '--without-default-features',
  '--enable-vnc',
  '--enable-tcg',
  '--enable-fdt=system',
  '--disable-docs',
  '--disable-tools',
  '--disable-werror',
  '--disable-guest-agent',
  '--disable-install-blobs',
];
const PROGRAM = 'qemu-system-x86_64';
/** Larger holes in the guest's time than this are a failure, in microseconds. */
const LARGEST_GAP_US = 50_000;
/** A monitor that takes longer to answer, in milliseconds, is not responsive. Asked every 5 ms by this very process. */
const SLOWEST_ANSWER_MS = 100;
/** A patch may take so many times what compiling its units in both versions takes. */
const SLOWEST_BUILD = 2;

const failures: string[] = [];
const cache = join(repository, '.cache/real');
const fixes = FIXES.filter(({ id }) => options.only === undefined || options.only.split(',').includes(id));

function expect(met: boolean, where: string, what: string): void {
  if (met) return;
  failures.push(`${where}: ${what}`);
  console.log(`  FAILED ${what}`);
}

function line(label: string, value: string): void {
  console.log(`  ${label.padEnd(22)}${value}`);
}

const say: Expectations = { expect, line, change };

async function main(): Promise<void> {
  console.log(`QEMU ${SOURCE.version}`);
  if (options.fresh) rmSync(join(cache, SOURCE.name), { recursive: true, force: true });
  const { tree, patches } = await builtBase();
  const executable = join(tree, 'build', PROGRAM);
  const files = await guestFiles(cache, tree);
  const folder = mkdtempSync(join(tmpdir(), 'suture-qemu-'));
  try {
    const built: { readonly fix: QemuFix; readonly out: string }[] = [];
    for (const fix of fixes) built.push({ fix, out: await buildFix(fix, tree, patches, folder) });
    const guest = await Guest.start(executable, files, folder);
    try {
      line('guest', `pid ${guest.pid} works: ${guest.last.requests} requests of its disk so far`);
      guest.qmp.startPulse(5);
      await quietGap(guest);
      for (const { fix, out } of built) await thereAndBack(guest, fix, out);
      await suspendedRequest(guest, tree, folder, say);
      await cycles(guest, built[0]!.out, built[0]!.fix.id, Number(options.cycles), say);
      await hungMainLoop(guest, tree, folder, say);
    } finally {
      await guest.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The base as `ninja` builds it, recorded, once. */
async function builtBase(): Promise<{ tree: string; patches: string }> {
  const recipe = JSON.stringify(CONFIGURE);
  const { tree, patches, ready, markReady } = await unpackedBase(cache, SOURCE, recipe);
  const build = join(tree, 'build');
  if (ready && isBuilt(join(build, PROGRAM))) {
    line('base', 'as built before');
    return { tree, patches };
  }
  const [configure, ...words] = CONFIGURE;
  await run('mkdir', ['-p', build]);
  const configured = await run(configure!, words, { cwd: build, seconds: 600 });
  if (configured.code !== 0)
    throw new Error(`configure ended with ${configured.code}:\n${configured.stdout.slice(-3000)}`);
  const start = performance.now();
  const recorded = await suture(['record', '-C', tree, '--', 'ninja', '-C', 'build', PROGRAM], {
    seconds: 3600,
  });
  if (recorded.code !== 0)
    throw new Error(
      `suture record ended with ${recorded.code}:\n${(recorded.stdout + recorded.stderr).slice(-3000)}`,
    );
  line('base', `built under the recorder in ${((performance.now() - start) / 1000).toFixed(0)} s`);
  markReady();
  return { tree, patches };
}

async function buildFix(fix: QemuFix, tree: string, patches: string, folder: string): Promise<string> {
  console.log(`\n${fix.id}: ${fix.about}`);
  const diff = join(folder, `${fix.id}.diff`);
  writeFileSync(diff, sectionsOf(readFileSync(join(patches, fix.release), 'utf8'), fix.files));
  const out = join(folder, fix.id);
  const start = performance.now();
  const built = await suture(['build', '-C', tree, '--id', fix.id, '-o', out, '--json', diff], {
    seconds: 600,
  });
  const seconds = (performance.now() - start) / 1000;
  if (built.code !== 0)
    throw new Error(`suture build ${fix.id} ended with ${built.code}:\n${built.stdout}${built.stderr}`);
  const report = json<BuildReport>(built);
  const functions = report.patches.flatMap((patch) => patch.functions);
  const units = new Set(functions.map(({ unit }) => unit));
  const compiling = await compileTime(tree, fix.files);
  line('units recompiled', `${report.patches.reduce((sum, one) => sum + (one.units ?? 0), 0)}`);
  line(
    'diff to patch',
    `${seconds.toFixed(1)} s; compiling ${[...units].length} units in both versions takes ${compiling.toFixed(1)} s (${(seconds / compiling).toFixed(2)} times)`,
  );
  expect(
    seconds <= SLOWEST_BUILD * compiling,
    fix.id,
    `the patch takes at most ${SLOWEST_BUILD} times the compiling`,
  );
  for (const { name, kind, reason } of functions) line(kind, `${name}: ${reason}`);
  const stems = new Set(functions.map(({ name }) => name.replace(/\..*/, '')));
  for (const name of fix.functions) expect(stems.has(name), fix.id, `the patch has ${name}`);
  return out;
}

/** What the guest sees when nothing is done to it: the floor of what follows. */
async function quietGap(guest: Guest): Promise<void> {
  guest.resetLongest();
  guest.qmp.resetLongest();
  await guest.ticks(10);
  line(
    'left alone',
    `largest gap of the guest ${guest.longestGapUs} µs, longest QMP answer ${guest.qmp.longestMs.toFixed(1)} ms`,
  );
}

async function thereAndBack(guest: Guest, fix: QemuFix, out: string): Promise<void> {
  console.log(`\n${fix.id} in the running hypervisor`);
  const before = guest.last;
  await probe(guest, fix, 'open', 'before');
  await change(guest, fix.id, 'applied', ['apply', '--pid', `${guest.pid}`, '--json', out]);
  await probe(guest, fix, 'closed', 'applied');
  const verified = await suture(['verify', '--pid', `${guest.pid}`]);
  expect(verified.code === 0, fix.id, `verify ends with 0, not ${verified.code}: ${verified.stdout}`);
  await change(guest, fix.id, 'reverted', ['revert', '--pid', `${guest.pid}`, '--id', fix.id, '--json']);
  await probe(guest, fix, 'open', 'reverted');
  line('guest', `${guest.last.requests - before.requests} disk requests, ${guest.last.errors} errors`);
  expect(guest.last.errors === 0, fix.id, `no I/O error in the guest, not ${guest.last.errors}`);
}

async function probe(guest: Guest, fix: QemuFix, expected: 'open' | 'closed', when: string): Promise<void> {
  const state = await fix.probe(guest);
  line(when, state);
  expect(state === expected, fix.id, `${when} it is ${expected}, not ${state}`);
}

/** One command on the hypervisor, and what its guest and its monitor saw of it. */
async function change(
  guest: Guest,
  where: string,
  outcome: 'applied' | 'reverted',
  words: readonly string[],
): Promise<void> {
  await guest.ticks(1);
  guest.resetLongest();
  guest.qmp.resetLongest();
  const start = performance.now();
  const finished = await suture(words);
  const seconds = (performance.now() - start) / 1000;
  await guest.ticks(2);
  expect(
    finished.code === 0,
    where,
    `${words[0]} ends with 0, not ${finished.code}: ${finished.stderr}${finished.stdout}`,
  );
  if (finished.code !== 0) return;
  const [report] = processes(finished);
  expect(report?.outcome === outcome, where, `the outcome is ${outcome}, not ${report?.outcome}`);
  const { longestGapUs, qmp } = guest;
  const longestMs = qmp.longestMs;
  line(
    outcome,
    `in ${seconds.toFixed(2)} s, stop ${report?.stopMicroseconds} µs (attempt ${report?.attempts}); largest gap of the guest ${longestGapUs} µs, longest of ${qmp.answers} QMP answers ${longestMs.toFixed(1)} ms`,
  );
  expect(
    longestGapUs <= LARGEST_GAP_US,
    where,
    `the guest sees no gap over ${LARGEST_GAP_US} µs, not ${longestGapUs}`,
  );
  expect(
    longestMs <= SLOWEST_ANSWER_MS && qmp.answers >= (seconds * 1000) / SLOWEST_ANSWER_MS,
    where,
    `QMP answers within ${SLOWEST_ANSWER_MS} ms all the time, not ${qmp.answers} times within ${longestMs.toFixed(1)}`,
  );
}

main()
  .catch((error: unknown) => expect(false, 'qemu', error instanceof Error ? error.message : String(error)))
  .finally(() => {
    console.log(
      failures.length === 0
        ? '\nall expectations met'
        : `\n${failures.length} failed:\n  ${failures.join('\n  ')}`,
    );
    process.exitCode = failures.length === 0 ? 0 : 1;
  });
