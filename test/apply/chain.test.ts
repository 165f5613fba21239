/** System calls of which the target executes all once it has begun, whatever becomes of this program. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mappingAt } from '../../src/process/maps.ts';
import { stopAll } from '../../src/process/stop.ts';
import { Target } from '../../src/process/target.ts';
import { cleanUp, Workers } from '../../src/process/test-target.ts';

after(cleanUp);

const FIRST = 0x2000_0000n;
const DYING = fileURLToPath(new URL('dies-in-chain.ts', import.meta.url));

/** Ends how a process ended: a signal or an exit code. */
const ended = (pid: number, first: bigint, moment: string): Promise<string> =>
  new Promise((resolve) => {
    const args = ['--import', 'tsx', DYING, String(pid), String(first), moment];
    spawn(process.execPath, args, { stdio: 'inherit' }).once('exit', (code, signal) =>
      resolve(signal ?? String(code)),
    );
  });

test('a chain gives the results of its calls, and ends at the first that fails', async () => {
  const workers = new Workers(['spin', 'read', 'handler']);
  const target = Target.open(workers.pid);
  try {
    await workers.expectProgress();
    const { numbers } = target.arch.syscall;
    const getpid = { kind: 'syscall', number: numbers.getpid, args: [] } as const;
    const failing = { kind: 'syscall', number: numbers.close, args: [9999n] } as const;
    for (let round = 0; round < 5; round++) {
      const stopped = stopAll(target, { collectDeadlineMs: 5000 });
      assert.ok(!('kind' in stopped));
      using _ = stopped;
      const pid = BigInt(workers.pid);
      assert.deepEqual(stopped.callTogether([getpid, getpid, getpid, getpid]), [pid, pid, pid, pid]);
      assert.deepEqual(stopped.callTogether([getpid, failing, getpid]), [pid, -9n]);
      assert.deepEqual(stopped.callTogether([]), []);
    }
    await workers.expectProgress();
  } finally {
    target.close();
    workers.end();
  }
});

test('whoever dies in the middle of a chain leaves all of it done, and the program as it was', async () => {
  const workers = new Workers(['spin', 'futex', 'nanosleep']);
  const target = Target.open(workers.pid);
  try {
    await workers.expectProgress();
    const moments = ['result 1', 'callNumber 1', 'result 2', 'callNumber 2', 'result 3'];
    for (const [i, moment] of moments.entries()) {
      const first = FIRST + BigInt(i) * 0x10_0000n;
      assert.equal(await ended(workers.pid, first, moment), 'SIGKILL');
      await workers.expectProgress();
      const maps = target.maps();
      for (const page of [0n, 1n, 2n]) {
        assert.notEqual(
          mappingAt(maps, first + page * 0x10000n),
          undefined,
          `call ${page + 1n} of ${moment}`,
        );
      }
    }
    assert.equal(await ended(workers.pid, 0x3000_0000n, 'enterCall 1'), 'SIGKILL');
    await workers.expectProgress();
    assert.equal(mappingAt(target.maps(), 0x3000_0000n), undefined, 'not begun, so nothing is done');
  } finally {
    target.close();
    workers.end();
  }
});
