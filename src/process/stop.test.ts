import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { sleepMicroseconds } from '../sys/scheduler.ts';
import { stopAll } from './stop.ts';
import type { Stopped } from './stopped.ts';
import { Target } from './target.ts';
import { type Activity, cleanUp, Workers } from './test-target.ts';

after(cleanUp);

const GETPID = { kind: 'syscall', number: 39, args: [] } as const;
const KINDS: readonly Activity[] = ['read', 'futex', 'nanosleep', 'epoll', 'poll', 'spin', 'handler'];

/** A stop, tried again when the machine was too busy for it. */
function stop(target: Target): Stopped {
  for (let attempt = 0; attempt < 20; attempt++) {
    const stopped = stopAll(target, { collectDeadlineMs: 200 });
    if (!('kind' in stopped)) return stopped;
  }
  throw new Error('20 stops in a row took over 200 ms');
}

async function stopOften(
  workers: Workers,
  times: number,
  eachStop?: (stopped: Stopped) => void,
): Promise<void> {
  const target = Target.open(workers.pid);
  try {
    const held: number[] = [];
    for (let i = 0; i < times; i++) {
      const stopped = stop(target);
      eachStop?.(stopped);
      held.push(stopped.release().heldMicroseconds);
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await workers.expectProgress();
    assert.equal(target.status().TracerPid, 0);
  } finally {
    target.close();
  }
}

for (const kind of KINDS) {
  test(`one thread in ${kind}: 200 stops, 40 of them with a call, and it notices nothing`, async () => {
    const workers = new Workers([kind]);
    try {
      await workers.expectProgress();
      let stops = 0;
      await stopOften(workers, 200, (stopped) => {
        if (stops++ % 5 === 0)
          assert.deepEqual(stopped.call([GETPID, GETPID]), Array(2).fill(BigInt(workers.pid)));
      });
    } finally {
      workers.end();
    }
  });
}

test('8 threads of every kind: 200 stops', async () => {
  const workers = new Workers([...KINDS, 'read']);
  try {
    await workers.expectProgress();
    await stopOften(workers, 200, (stopped) => {
      assert.equal(stopped.threads.length >= 8, true);
    });
  } finally {
    workers.end();
  }
});

test('100 threads stand still together, and their stacks are read at once', async () => {
  const sleepers: Activity[] = Array.from({ length: 96 }, (_, i) => KINDS[i % 5]!);
  const workers = new Workers([...sleepers, 'spin', 'spin', 'handler', 'churn']);
  try {
    await workers.expectProgress();
    await stopOften(workers, 20, (stopped) => {
      assert.ok(stopped.threads.length >= 100);
      const before = workers.counts();
      const stacks = stopped.readStacks(512);
      assert.equal(stacks.length, stopped.threads.length);
      for (const { bytes, tid } of stacks) assert.equal(bytes.length, 512, `stack of ${tid}`);
      sleepMicroseconds(300);
      assert.deepEqual(workers.counts(), before, 'nobody ran');
    });
  } finally {
    workers.end();
  }
});

test('threads that come and go all the time are all caught', async () => {
  const workers = new Workers(['churn', 'churn', 'churn', 'spin']);
  try {
    await workers.expectProgress();
    await stopOften(workers, 100, () => {
      const before = workers.counts();
      sleepMicroseconds(200);
      assert.deepEqual(workers.counts(), before, 'nobody ran');
    });
  } finally {
    workers.end();
  }
});

test('a process killed while it is held is gone, and can be waited for', async () => {
  const workers = new Workers(['read', 'spin']);
  await workers.expectProgress();
  const target = Target.open(workers.pid);
  const stopped = stop(target);
  process.kill(workers.pid, 'SIGKILL');
  sleepMicroseconds(2000);
  assert.throws(() => stopped.call([GETPID]), { code: 'PROCESS_GONE' });
  stopped.release();
  workers.end();
  assert.equal(target.alive(), false);
  assert.throws(() => stopAll(target, { collectDeadlineMs: 100 }), { code: 'PROCESS_GONE' });
  target.close();
});
