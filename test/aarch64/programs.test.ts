/**
 * The cases of test/programs on AArch64: built on this host with the cross compilers, patched and taken back in an emulated
 * machine, without pointer authentication and with it and branch protection. `npm test` makes one run of each case on
 * each machine, `npm run test:aarch64` all of them (SUTURE_AARCH64=all or brief).
 *
 * SUTURE_CASES=a,b runs these cases only, SUTURE_MACHINES=max,pauth-impdef=on:… on these models of the CPU.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Case, loadCases } from '../programs/case.ts';
import {
  assertExit,
  type BuildReport,
  type Finished,
  json,
  processes,
  repository,
} from '../programs/harness.ts';
import { Ahead, type BuiltCase, buildCase } from './built-case.ts';
import { Guest } from './guest.ts';
import { briefRunsOf, MACHINES, type Machine, runsOf, wordsOf } from './selection.ts';

const only = process.env.SUTURE_CASES?.split(',');
const chosen = process.env.SUTURE_MACHINES?.split(':');
const isComplete = (process.env.SUTURE_AARCH64 ?? (only === undefined ? 'brief' : 'all')) === 'all';
const cases = loadCases(join(repository, 'test/programs')).filter(({ name }) => only?.includes(name) ?? true);

/** Under emulation a stop takes many times as long, and so does the wait for a quiet moment. */
const PATIENCE = ['--max-stop', '2000', '--timeout', '120'];
/** Builds that may be ready and not patched yet. */
const AHEAD = 4;

for (const machine of MACHINES) {
  if (chosen?.includes(machine.cpu) === false) continue;
  const runs = cases.flatMap((one) =>
    (isComplete ? runsOf(one) : briefRunsOf(one, machine)).map((variant) => ({ one, variant })),
  );
  describe(machine.name, { concurrency: 1 }, () => {
    const builds = new Ahead(
      runs.map(
        ({ one, variant }) =>
          () =>
            buildCase(one, variant, machine.flags),
      ),
      AHEAD,
    );
    let guest: Guest;
    before(async () => {
      guest = await Guest.boot({ cpu: machine.cpu });
    });
    after(async () => {
      for (const built of await builds.close()) await built.close();
      await guest?.close();
    });
    runs.forEach(({ one, variant }, index) => {
      test([one.name, ...variant].join(' '), async () => {
        const build = await builds.take(index);
        try {
          await runCase(guest, one, variant, machine, build);
        } finally {
          await build.close();
        }
      });
    });
  });
}

async function runCase(
  guest: Guest,
  one: Case,
  variant: readonly string[],
  machine: Machine,
  { built, copyTo }: BuiltCase,
): Promise<void> {
  const expected = one.expected(wordsOf(one, variant, machine.flags));
  if (expected.kind === 'nothing') return assertExit(built, 3);
  if (expected.kind === 'refused') {
    assertExit(built, 6);
    return assert.match(built.stdout + built.stderr, new RegExp(expected.text, 'i'));
  }
  assert.equal(expected.kind, 'patched');
  if (expected.kind !== 'patched') return;
  assertExit(built, 0);
  assert.deepEqual(functions(built, 'changed'), expected.changed, 'changed functions');
  assert.deepEqual(functions(built, 'new'), expected.new, 'new functions');
  if (one.warned !== undefined) {
    const warnings = json<BuildReport>(built).patches.flatMap((patch) => patch.warnings);
    assert.match(warnings.join('\n'), new RegExp(one.warned));
  }

  const folder = join(guest.exchange, one.name);
  copyTo(folder);
  try {
    const said = await guest.patchProgram({
      folder: `/exchange/${one.name}`,
      patch: one.name,
      patience: PATIENCE,
      counts: {
        before: expected.before.length,
        after: expected.after.length,
        reverted: expected.reverted.length,
      },
    });
    const { applied } = said;
    if (said.error !== undefined) throw new Error(`${said.error}\n${JSON.stringify(said, undefined, 2)}`);
    assert.ok(applied !== undefined);
    assert.deepEqual(said.before, expected.before, 'before');
    if (expected.refusedToApply !== undefined) {
      assertExit(applied, 4);
      assert.match(applied.stdout + applied.stderr, new RegExp(expected.refusedToApply, 'i'));
    } else {
      assertExit(applied, 0);
      assert.deepEqual(
        processes(applied).map(({ outcome }) => outcome),
        ['applied'],
      );
    }
    assert.deepEqual(said.after, expected.after, 'after');
    if (expected.refusedToApply === undefined) {
      assertExit(said.verified ?? assert.fail('not verified'), 0);
      assertExit(said.taken ?? assert.fail('not taken back'), 0);
    }
    assert.deepEqual(said.reverted, expected.reverted, 'reverted');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function functions(built: Finished, kind: 'changed' | 'new'): string[] {
  return json<BuildReport>(built)
    .patches.flatMap((patch) => patch.functions)
    .filter((changed) => changed.kind === kind)
    .map(({ name }) => name)
    .sort();
}
