/** A debugger that is attached later knows new bodies by name and walks through them, with what `suture symbols` wrote. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../../programs/case.ts';
import { assertExit, json, suture, Workspace } from '../../programs/harness.ts';

interface SymbolsReport {
  readonly file?: string;
  readonly symbols: readonly { readonly name: string; readonly address: string; readonly size: number }[];
}

function gdb(pid: number, commands: readonly string[]) {
  const words = ['set confirm off', ...commands].flatMap((command) => ['-ex', command]);
  const environment = { ...process.env, DEBUGINFOD_URLS: '' };
  return spawnSync('gdb', ['-nx', '-batch', '-p', String(pid), ...words], {
    encoding: 'utf8',
    env: environment,
  });
}

test('gdb and perf know patched code by name', async () => {
  const one = loadCase(dirname(fileURLToPath(import.meta.url)), 'asleep');
  const { workspace, diff } = await Workspace.of(one, []);
  try {
    assertExit(await workspace.build('asleep', diff), 0);
    const program = workspace.start();
    const target = ['--pid', String(program.pid)];
    const file = join(workspace.folder, 'names.elf');
    const symbols = (...more: string[]) => suture(['symbols', ...target, '--json', ...more]);
    assertExit(await symbols('-o', file), 3);
    assertExit(await suture(['apply', ...target, '--json', workspace.patches]), 0);
    assert.equal(await program.call(1), '11');

    const report = json<SymbolsReport>(await symbols('-o', file));
    assert.deepEqual(report.symbols.map(({ name }) => name).sort(), [
      'added.asleep',
      'outer.asleep',
      'stubs.asleep',
    ]);
    const listed = execFileSync('readelf', ['-sW', file], { encoding: 'utf8' });
    for (const { name, address, size } of report.symbols)
      assert.match(
        listed,
        new RegExp(
          `${address.slice(2).padStart(16, '0')} +${size} FUNC .* ${name.replace('.', '\\.')}$`,
          'm',
        ),
      );

    const map = join(workspace.folder, 'perf.map');
    assertExit(await symbols('--format', 'perf', '-o', map), 0);
    const lines = readFileSync(map, 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      lines.sort(),
      report.symbols
        .map(({ name, address, size }) => `${address.slice(2)} ${size.toString(16)} ${name}`)
        .sort(),
    );
    // Nobody's file is written over.
    const again = await suture(['symbols', ...target, '--format', 'perf', '-o', map]);
    assertExit(again, 1);
    assert.match(again.stderr, /perf\.map is there already/);

    assert.equal(await program.call(100), '100'); // a thread sleeps in the new bodies now
    const { stdout, stderr } = gdb(program.pid, [
      `add-symbol-file ${file}`,
      'thread apply all bt',
      "info symbol 'outer.asleep'",
    ]);
    const frames = [...stdout.matchAll(/^#\d+ .*?(?: in )?(\S+) \(/gm)].map(([, name]) =>
      name?.replace('[asleep]', '.asleep'),
    );
    // gdb may show what follows the dot in brackets.
    const from = frames.indexOf('added.asleep');
    assert.ok(from > 0, stdout + stderr);
    assert.deepEqual(frames.slice(from, from + 3), ['added.asleep', 'outer.asleep', 'server'], stdout);
    assert.match(stdout, /^outer[.[]asleep\]? in section \.text\.asleep/m);
    assert.equal(await program.call(101), '101');
  } finally {
    await workspace.close();
  }
});
