/** Every case of this folder, for each line of its matrix: built, started, patched while it runs, taken back. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Case, loadCases, readMatrix } from './case.ts';
import {
  assertExit,
  type BuildReport,
  type Finished,
  json,
  processes,
  repository,
  suture,
  Workspace,
} from './harness.ts';

// SUTURE_CASES=a,b runs these cases only, SUTURE_MATRIX='clang -O0 | clang -O2' with these flags instead of their own.
const only = process.env.SUTURE_CASES?.split(',');
const matrix = process.env.SUTURE_MATRIX === undefined ? undefined : readMatrix(process.env.SUTURE_MATRIX);
const cases = loadCases(join(repository, 'test/programs')).filter(({ name }) => only?.includes(name) ?? true);

describe('programs', { concurrency: 2 }, () => {
  for (const one of cases) {
    if (one.scenario !== undefined) continue;
    for (const variant of matrix ?? one.matrix) {
      test([one.name, ...variant].join(' '), () => runCase(one, variant));
    }
  }
});

async function runCase(one: Case, variant: readonly string[]): Promise<void> {
  const { workspace, diff } = await Workspace.of(one, variant);
  try {
    const digest = workspace.digest();
    const built = await workspace.build(one.name, ...one.options, diff);
    assert.equal(workspace.digest(), digest, 'suture build must leave the tree as it was');
    const expected = one.expected(variant);
    switch (expected.kind) {
      case 'nothing':
        return assertExit(built, 3);
      case 'refused':
        assertExit(built, 6);
        return assert.match(built.stdout + built.stderr, new RegExp(expected.text, 'i'));
      case 'scenario':
        return;
      case 'patched':
        break;
      default:
        return expected satisfies never;
    }
    assertExit(built, 0);
    assert.deepEqual(functions(built, 'changed'), expected.changed, 'changed functions');
    if (one.warned !== undefined) {
      const warnings = json<BuildReport>(built).patches.flatMap((patch) => patch.warnings);
      assert.match(warnings.join('\n'), new RegExp(one.warned));
    }
    assert.deepEqual(functions(built, 'new'), expected.new, 'new functions');

    const program = workspace.start();
    const target = ['--pid', String(program.pid)];
    assert.deepEqual(await program.calls(expected.before.length), expected.before, 'before');
    const applied = await suture(['apply', ...target, '--json', workspace.patches]);
    if (expected.refusedToApply !== undefined) {
      assertExit(applied, 4);
      assert.match(applied.stdout + applied.stderr, new RegExp(expected.refusedToApply, 'i'));
    } else {
      assertExit(applied, 0);
      assert.deepEqual(
        processes(applied).map(({ pid, outcome }) => ({ pid, outcome })),
        [{ pid: program.pid, outcome: 'applied' }],
      );
    }
    assert.deepEqual(await program.calls(expected.after.length), expected.after, 'after');
    if (expected.refusedToApply === undefined)
      assertExit(await suture(['revert', ...target, '--id', one.name, '--json']), 0);
    assert.deepEqual(await program.calls(expected.reverted.length), expected.reverted, 'reverted');
  } finally {
    await workspace.close();
  }
}

function functions(built: Finished, kind: 'changed' | 'new'): string[] {
  return json<BuildReport>(built)
    .patches.flatMap((patch) => patch.functions)
    .filter((changed) => changed.kind === kind)
    .map(({ name }) => name)
    .sort();
}
