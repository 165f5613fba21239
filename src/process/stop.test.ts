import assert from 'node:assert/strict';
import { closeSync, readFileSync, readSync } from 'node:fs';
import { after, test } from 'node:test';
import { remote, toRemote } from '../bytes/address.ts';
import { BatchReader } from '../sys/memory.ts';
import { sleepMicroseconds } from '../sys/scheduler.ts';
import { kill, SIGKILL } from '../sys/signals.ts';
import { pipe, spawn } from '../sys/spawn.ts';
import { __WALL, waitFor } from '../sys/wait.ts';
import { mappingAt } from './maps.ts';
import { inRestartableSequence } from './rseq.ts';
import { stackBottom } from './stack-room.ts';
import { stopAll } from './stop.ts';
import type { Stopped } from './stopped.ts';
import { Target } from './target.ts';
import { type Activity, cleanUp, compile, endChild, start, Workers } from './test-target.ts';

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
      const reader = new BatchReader(1 << 20);
      for (const { registers } of stopped.threads) assert.ok(reader.add(Number(registers.get(7)), 512));
      assert.equal(reader.read(stopped.target.pid, 0), stopped.threads.length * 512);
      sleepMicroseconds(300);
      assert.deepEqual(workers.counts(), before, 'nobody ran');
    });
  } finally {
    workers.end();
  }
});

/** One thread maps and unmaps all the time, as its arguments say beside one that computes. */
const MAPPER = `
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
static void *compute(void *unused) {
  volatile long sum = 0;
  for (;; sum++) {
    struct timespec t;
    if (sum % 64 == 0) clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 1000}, &t);
  }
  return unused;
}
int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, compute, NULL);
  write(1, "x", 1);
  for (long i = 0;; i++) {
    char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (volatile int n = 0; n < i % 4096; n++) {}
    mprotect(at, 4096, PROT_NONE);
    getppid();
    for (volatile int n = 0; n < i % 4096; n++) {}
    munmap(at, 8192);
    usleep(i % 3);
  }
}`;

test('what is said to be mapped as it was when the threads were told to stop, is', () => {
  const program = compile('mapper', MAPPER);
  const output = pipe();
  const pid = spawn({ file: program, argv: [program], descriptors: [{ from: output.writing, to: 1 }] });
  const target = Target.open(pid);
  try {
    readSync(output.reading, new Uint8Array(1));
    let kept = 0;
    let doubtful = 0;
    for (let i = 0; i < 300; i++) {
      let before = '';
      const onceInterrupted = () => {
        before = readFileSync(`/proc/${pid}/maps`, 'latin1');
      };
      const stopped = stopAll(target, { collectDeadlineMs: 200, onceInterrupted });
      if ('kind' in stopped) continue;
      const now = readFileSync(`/proc/${pid}/maps`, 'latin1');
      const said = stopped.keptMappings;
      stopped.release();
      if (said) assert.equal(now, before);
      if (said) kept++;
      else doubtful++;
      sleepMicroseconds(i);
    }
    assert.ok(doubtful > 0, 'a thread that has just called mmap leaves it open');
    if (target.arch.syscall.lastCall !== undefined) assert.ok(kept > 0);
  } finally {
    target.close();
    kill(pid, SIGKILL);
    waitFor(pid, __WALL);
    closeSync(output.reading);
    closeSync(output.writing);
  }
});

test('threads asleep have mapped nothing since they were told to stop', async () => {
  const workers = new Workers(['read', 'futex', 'nanosleep', 'epoll', 'poll']);
  try {
    await workers.expectProgress();
    const target = Target.open(workers.pid);
    const stopped = stop(target);
    const isKnown = target.arch.syscall.lastCall !== undefined;
    assert.equal(stopped.keptMappings, isKnown);
    stopped.release();
    target.close();
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

test('the bottom of an alternate signal stack is found in the frame at its top', async () => {
  const workers = new Workers(['handler']);
  try {
    await workers.expectProgress();
    const target = Target.open(workers.pid);
    const program = target.modules().find(({ isExecutable }) => isExecutable)!;
    const stacks = toRemote(
      program.file!.symbols.named('stacks.0')[0]?.value ?? program.file!.symbols.named('stacks.1')[0]!.value,
      program.bias,
    );
    const mappings = target.maps();
    let onAlternate = 0;
    for (let i = 0; i < 50; i++) {
      using stopped = stop(target);
      const [{ registers, prstatus } = assert.fail()] = stopped.threads;
      const sp = remote(registers.get(7) ?? 0n);
      const bottom = stackBottom(target.memory, mappings, sp, target.arch.syscall.threadPointer(prstatus));
      assert.equal(bottom.kind, 'known');
      if (sp < stacks || sp >= stacks + 32768n) continue;
      onAlternate++;
      // The array may begin in the mapping before: less room than there is, never more.
      const { start } = mappingAt(mappings, sp)!;
      const expected = [start, stacks].sort((one, other) => Number(other - one))[0];
      assert.deepEqual(bottom, { kind: 'known', at: expected });
    }
    assert.ok(onAlternate > 10, `${onAlternate} stops in a handler`);
    target.close();
  } finally {
    workers.end();
  }
});

/** A thread waits close above a guard that is no mapping of its own, with other memory below it; the first one spins. */
const GUARDED = `
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static char *area; static int ends[2]; static volatile int ready;
static void *deep(void *p) {
  char byte; char *low = alloca(&byte - (area + 69632) - 1024);
  memset(low, 7, 16); ready = 1;
  read(ends[0], &byte, 1);
  return p;
}
int main(void) {
  pthread_attr_t a; pthread_t t;
  area = mmap(0, 131072, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(area, 9, 65536);
  if (madvise(area + 65536, 4096, 102) != 0) mprotect(area + 65536, 4096, PROT_NONE);
  pipe(ends); pthread_attr_init(&a); pthread_attr_setstack(&a, area + 65536, 65536);
  pthread_create(&t, &a, deep, 0);
  while (!ready) usleep(100);
  write(1, "x", 1);
  for (;;) for (int i = 0; i < 65536; i++) if (area[i] != 9) return 1;
}`;

test('no frame is put on a guard that is no mapping of its own', () => {
  const output = pipe();
  const program = compile('guarded', GUARDED);
  const pid = spawn({ file: program, argv: [program], descriptors: [{ from: output.writing, to: 1 }] });
  try {
    readSync(output.reading, new Uint8Array(1));
    const target = Target.open(pid);
    for (let i = 0; i < 20; i++) {
      using stopped = stop(target);
      assert.equal(stopped.threads.length, 2);
      assert.deepEqual(stopped.call([GETPID]), [BigInt(pid)]);
    }
    assert.ok(target.alive());
    target.close();
  } finally {
    kill(pid, SIGKILL);
    waitFor(pid, __WALL);
    closeSync(output.reading);
    closeSync(output.writing);
  }
});

const SLEEPER = `
#include <poll.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
  (void)argv;
  for (;;) {
    struct timespec from, to, t = {0, 300000000};
    clock_gettime(CLOCK_MONOTONIC, &from);
    int e = argc > 1 ? poll(0, 0, 300) : nanosleep(&t, 0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    long ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    char early = e != 0 || ms < 300 ? 'e' : 'x';
    write(1, &early, 1);
  }
}`;

for (const call of ['nanosleep', 'poll']) {
  test(`a thread in ${call} goes on with the time that it had left, however often it is stopped`, () => {
    const output = pipe();
    const program = compile('sleeper', SLEEPER);
    const argv = call === 'poll' ? [program, 'poll'] : [program];
    const pid = spawn({ file: program, argv, descriptors: [{ from: output.writing, to: 1 }] });
    try {
      const answer = new Uint8Array(1);
      readSync(output.reading, answer);
      const target = Target.open(pid);
      const before = readFileSync(`/proc/${pid}/io`, 'latin1').match(/^syscw: (\d+)/m)?.[1];
      // If the time began anew after each stop, the sleep would never end.
      const end = Date.now() + 20_000;
      let stops = 0;
      while (readFileSync(`/proc/${pid}/io`, 'latin1').match(/^syscw: (\d+)/m)?.[1] === before) {
        assert.ok(Date.now() < end, `the sleep did not end, with ${stops} stops in it`);
        const stopped = stop(target);
        stopped.call([GETPID]);
        stopped.release();
        stops++;
        sleepMicroseconds(5000);
      }
      readSync(output.reading, answer);
      assert.equal(String.fromCharCode(answer[0]!), 'x', 'it slept as long as it wanted to');
      assert.ok(stops > 3);
      target.close();
    } finally {
      kill(pid, SIGKILL);
      waitFor(pid, __WALL);
      closeSync(output.reading);
      closeSync(output.writing);
    }
  });
}

/** Spends its time in a restartable sequence that is aborted, and begun again, whenever the thread is interrupted. */
const SEQUENCE = `
#include <stddef.h>
#include <sys/rseq.h>
int main(void) {
  struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  for (;;) {
    __asm__ volatile(
      ".pushsection __rseq_cs, \\"aw\\"\\n .balign 32\\n 3: .long 0, 0\\n .quad 1f, 2f - 1f, 4f\\n .popsection\\n"
      "lea 3b(%%rip), %%rax\\n mov %%rax, %0\\n"
      ".globl sequence_start, sequence_end\\n"
      "1: sequence_start: mov $100000, %%ecx\\n 5: dec %%ecx\\n jnz 5b\\n 2: sequence_end: jmp 6f\\n"
      ".long 0x53053053\\n 4: jmp 6f\\n 6:"
      : "=m"(area->rseq_cs) : : "rax", "rcx", "memory");
  }
}`;

test('a thread in a restartable sequence is seen to be in one', async () => {
  const pid = start(compile('sequence', SEQUENCE));
  try {
    const target = Target.open(pid);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const program = target.modules().find(({ isExecutable }) => isExecutable)!;
    const at = (name: string): bigint => toRemote(program.file!.symbols.named(name)[0]!.value, program.bias);
    const [from, to] = [at('sequence_start'), at('sequence_end')];
    let inside = 0;
    for (let i = 0; i < 30; i++) {
      using stopped = stop(target);
      const { pc } = stopped.threads[0]!.registers;
      const expected = pc >= from && pc < to;
      assert.equal(inRestartableSequence(target.memory, pid, pc), expected);
      if (expected) {
        inside++;
        assert.throws(() => stopped.call([GETPID]), /restartable sequence/);
      }
    }
    assert.ok(inside > 10, `${inside} stops inside`);
    assert.ok(target.alive());
    target.close();
  } finally {
    endChild(pid);
  }
});
