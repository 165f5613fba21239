/** A function on a thread's stack: refused without a trace, with the thread and the frame; applied once it has returned. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCase } from '../case.ts';
import { assertExit, json, processes, suture, Workspace } from '../harness.ts';

const folder = dirname(fileURLToPath(import.meta.url));

test('a busy function is refused, then patched when it has returned', async () => {
  const one = loadCase(dirname(folder), 'busy');
  const { workspace, diff } = await Workspace.of(one, []);
  try {
    assertExit(await workspace.build('busy', diff), 0);
    const program = workspace.start();
    const apply = (seconds: string) =>
      suture(['apply', '--pid', String(program.pid), '--timeout', seconds, '--json', workspace.patches]);
    assert.equal(await program.call(1), '1');
    assert.equal(await program.call(100), '100');
    const mapsBefore = codeMappings(program.pid);

    const refused = await apply('0.5');
    assertExit(refused, 4);
    const [outcome] = processes(refused);
    assert.equal(outcome?.outcome, 'busy');
    assert.ok(
      outcome?.blockers?.some(({ frames }) => frames.some((frame) => frame.includes('serve'))),
      refused.stdout,
    );
    assert.deepEqual(codeMappings(program.pid), mapsBefore, 'a refusal must leave nothing behind');
    assert.equal(await program.call(2), '2');
    const status = await suture(['status', '--pid', String(program.pid), '--json']);
    assert.doesNotMatch(JSON.stringify(json(status)), /"busy"/, 'status lists no patch after a refusal');

    // While apply goes on trying, the function returns: that same run succeeds.
    let hasEnded = false;
    const waiting = apply('15').finally(() => {
      hasEnded = true;
    });
    // Its code is in the process before it looks at the threads for the first time.
    while (!hasEnded && codeMappings(program.pid).length === mapsBefore.length) await pause(10);
    await pause(1000);
    assert.equal(await program.call(101), '101');
    const applied = await waiting;
    assertExit(applied, 0);
    assert.equal(processes(applied)[0]?.outcome, 'applied');
    assert.ok((processes(applied)[0]?.attempts ?? 0) > 1, 'the first attempts must have found it busy');
    assert.equal(await program.call(3), '13');

    assertExit(await suture(['revert', '--pid', String(program.pid), '--id', 'busy']), 0);
    assert.equal(await program.call(4), '4');
  } finally {
    await workspace.close();
  }
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function codeMappings(pid: number): string[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .filter((line) => / r-x/.test(line));
}
