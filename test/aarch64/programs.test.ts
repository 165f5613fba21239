/**
 * The cases of test/programs on AArch64: built on this host with the cross compiler, patched and taken back in an emulated
 * machine, once without pointer authentication and once with it and branch protection.
 */
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
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
  Workspace,
} from '../programs/harness.ts';
import { Guest, type GuestProgram } from './guest.ts';

const MACHINES = [
  { name: 'cortex-a72', cpu: 'cortex-a72', flags: [] },
  {
    name: 'with pointer authentication',
    cpu: 'max,pauth-impdef=on',
    flags: ['-mbranch-protection=standard'],
  },
] as const;

const CPU = 'aarch64';
const PREFIX = `${CPU}-linux-gnu-`;
/** The CPU for which a case is written shows in its flags or its text. */
const OF_ANOTHER_CPU =
  /-fcf-protection|-mtls-dialect=gnu2|-masm=|-mcmodel=|-mno-red-zone|\b(rdtsc|movl|leaq|endbr64|%rax|%eax)\b/;

/** The cases that have been seen to say the same on this CPU; the others wait for a look. */
const SEEN = [
  ...[
    'cxx-exceptions',
    'cxx-library',
    'cxx-thread-local',
    'errno',
    'ifunc',
    'sections',
    'setjmp',
    'signal-handler',
  ],
  ...['static-local', 'string', 'switch-changed', 'tail-call', 'thread-local', 'thread-local-library'],
];

const only = process.env.SUTURE_CASES?.split(',') ?? SEEN;
const machines = process.env.SUTURE_MACHINES?.split(':');
const cases = loadCases(join(repository, 'test/programs')).filter(
  (one) => only.includes(one.name) && one.scenario === undefined,
);

/** Why the case says nothing about this CPU; undefined if it does. */
function unfit(one: Case, variant: readonly string[]): string | undefined {
  const flags = [...one.flags, ...variant];
  if (flags.includes('clang')) return 'clang has no C library for the CPU here';
  if (one.needs.length > 0) return `needs ${one.needs.join(', ')} of the CPU`;
  const text = [...one.before.values()].join('\n');
  return OF_ANOTHER_CPU.test(`${flags.join(' ')}\n${text}`) ? 'is about another CPU' : undefined;
}

for (const { name, cpu, flags } of MACHINES) {
  if (machines?.includes(cpu) === false) continue;
  describe(name, { concurrency: 1 }, () => {
    let guest: Guest;
    before(async () => {
      guest = await Guest.boot({ cpu });
    });
    after(() => guest?.close());
    for (const one of cases) {
      // One line of the matrix tells what the CPU has to tell; all of them run where machines are fast.
      const variant = one.matrix.find((each) => unfit(one, each) === undefined);
      if (variant === undefined) continue;
      test([one.name, ...variant].join(' '), () => runCase(guest, one, [...variant, ...flags]));
    }
  });
}

async function runCase(guest: Guest, one: Case, variant: readonly string[]): Promise<void> {
  const { workspace, diff } = await Workspace.of(one, variant, PREFIX);
  const there = `/tmp/case-${one.name}`;
  let program: GuestProgram | undefined;
  try {
    const built = await workspace.build(one.name, ...one.options, diff);
    const expected = one.expected([...variant, CPU]);
    if (expected.kind === 'nothing') return assertExit(built, 3);
    if (expected.kind === 'refused') {
      assertExit(built, 6);
      return assert.match(built.stdout + built.stderr, new RegExp(expected.text, 'i'));
    }
    if (expected.kind === 'scenario') return;
    assertExit(built, 0);
    assert.deepEqual(functions(built, 'changed'), expected.changed, 'changed functions');
    assert.deepEqual(functions(built, 'new'), expected.new, 'new functions');

    cpSync(workspace.folder, join(guest.exchange, one.name), { recursive: true });
    await guest.copy(`/exchange/${one.name}`, there);
    program = await guest.start(`${there}/tree/prog`, [], { LD_LIBRARY_PATH: `${there}/tree` });
    const target = ['--pid', String(program.pid)];
    // Under emulation a stop takes many times as long, and so does the wait for a quiet moment.
    const patience = ['--max-stop', '2000', '--timeout', '120'];
    assert.deepEqual(await program.calls(expected.before.length), expected.before, 'before');
    const applied = await guest.suture(['apply', ...target, ...patience, '--json', `${there}/patches`]);
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
    assert.deepEqual(await program.calls(expected.after.length), expected.after, 'after');
    if (expected.refusedToApply === undefined) {
      assertExit(await guest.suture(['verify', ...target]), 0);
      assertExit(await guest.suture(['revert', ...target, ...patience, '--id', one.name, '--json']), 0);
    }
    assert.deepEqual(await program.calls(expected.reverted.length), expected.reverted, 'reverted');
  } finally {
    await program?.stop();
    await guest.remove(there);
    rmSync(join(guest.exchange, one.name), { recursive: true, force: true });
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
