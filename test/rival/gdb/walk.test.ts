/** Stacks of real threads, frame by frame as gdb walks them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Walk } from '../../../src/unwind/walk.ts';
import { Observed, threadsOf, withProgram } from './stopped.ts';

const ASLEEP = `
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int ready;
static void sleep_for_ever(void) { __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST); for (;;) pause(); }
__attribute__((noinline)) static int deep(int n, volatile char *up) {
  volatile char room[n * 16 + 1]; /* a variable length array: the CFA is in rbp */
  room[0] = up ? up[0] : 1;
  if (n == 0) sleep_for_ever();
  return deep(n - 1, room) + room[0];
}
static int compare(const void *a, const void *b) { sleep_for_ever(); return *(int *)a - *(int *)b; }
static void *recursion(void *p) { deep(20, 0); return p; }
static void *callback(void *p) { int v[9] = { 3, 2, 1 }; qsort(v, 9, sizeof *v, compare); return p; }
__attribute__((noreturn, noinline)) static void last_call(void) { sleep_for_ever(); abort(); }
static void *no_return(void *p) { if (p == 0) last_call(); return p; }
static void handler(int signal) { (void)signal; sleep_for_ever(); }
static void *interrupted(void *p) {
  stack_t s = { .ss_sp = malloc(65536), .ss_size = 65536 };
  sigaltstack(&s, 0);
  struct sigaction a = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  return p;
}
static void *fault(void *p) {
  struct sigaction a = { .sa_handler = handler };
  sigaction(SIGSEGV, &a, 0);
  *(volatile int *)p = 1; /* the interrupted pc is not behind a call */
  return p;
}
int main(void) {
  void *(*bodies[])(void *) = { recursion, callback, no_return, interrupted, fault };
  pthread_t threads[5];
  for (int i = 0; i < 5; i++) pthread_create(&threads[i], 0, bodies[i], 0);
  while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 5) usleep(1000);
  usleep(50000);
  puts("ready");
  fflush(stdout);
  for (int i = 0; i < 5; i++) pthread_join(threads[i], 0);
}`;

/** pc of every frame by thread id, as gdb finds them. */
function rivalStacks(pid: number): Map<number, bigint[]> {
  const script = [
    'set backtrace past-main on',
    'set backtrace past-entry on',
    'set debuginfod enabled off',
    `python
def walk(thread):
  thread.switch()
  frame = gdb.newest_frame()
  while frame is not None:
    if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
      print("@ %d %x" % (thread.ptid[1], frame.pc()))
    frame = frame.older()
for thread in gdb.selected_inferior().threads():
  walk(thread)
end`,
  ];
  const folder = mkdtempSync(join(tmpdir(), 'suture-gdb-'));
  let ended: ReturnType<typeof runGdb>;
  try {
    writeFileSync(join(folder, 'script'), script.join('\n'));
    ended = runGdb(pid, join(folder, 'script'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const stacks = new Map<number, bigint[]>();
  for (const [, tid, pc] of ended.stdout.matchAll(/^@ (\d+) ([0-9a-f]+)$/gm)) {
    const stack = stacks.get(Number(tid)) ?? [];
    stack.push(BigInt(`0x${pc}`));
    stacks.set(Number(tid), stack);
  }
  assert.ok(stacks.size > 0, `gdb walked nothing: ${ended.stderr}`);
  return stacks;
}

const runGdb = (pid: number, script: string) =>
  spawnSync('gdb', ['-nx', '-batch', '-p', String(pid), '-x', script], { encoding: 'utf8', timeout: 60_000 });

const pcsOf = ({ frames }: Walk): string[] => frames.map(({ pc }) => pc.toString(16));

for (const flags of [
  ['-O0', '-fno-inline'],
  ['-O2', '-fno-inline'],
  ['-O2', '-fno-inline', '-fcf-protection=full', '-static'],
]) {
  test(`threads asleep, gcc ${flags.join(' ')}`, async () => {
    await withProgram(ASLEEP, flags, (pid) => {
      const observed = new Observed(pid);
      try {
        const ours = new Map(threadsOf(pid).map((tid) => [tid, observed.walkThread(tid)]));
        const rival = rivalStacks(pid);
        assert.equal(ours.size, 6);
        for (const [tid, found] of ours) {
          assert.deepEqual(found.end, { kind: 'bottom' }, `thread ${tid}`);
          assert.deepEqual(
            pcsOf(found),
            rival.get(tid)?.map((pc) => pc.toString(16)),
            `thread ${tid}`,
          );
        }
        const signals = [...ours.values()].filter(({ frames }) =>
          frames.some(({ kind }) => kind === 'signal'),
        );
        assert.equal(signals.length, 2, 'threads in a signal handler');
        assert.ok(Math.max(...[...ours.values()].map(({ frames }) => frames.length)) > 21);
      } finally {
        observed.close();
      }
    });
  });
}

const BUSY = `
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile unsigned sink;
static int compare(const void *a, const void *b) { return *(int *)a - *(int *)b; }
/* Takes half of the 300 us between two signals: one that waited is handled as soon as a sample has let the thread go. */
static void tick(int signal) {
  (void)signal;
  struct timespec t;
  for (int i = 0; i < 5000; i++) { clock_gettime(CLOCK_REALTIME, &t); sink += t.tv_nsec; }
}
static void *work(void *p) {
  char text[4096];
  int numbers[64];
  for (unsigned round = 0;; round++) {
    struct timespec t;
    for (int i = 0; i < 50; i++) clock_gettime(CLOCK_MONOTONIC, &t);
    for (int i = 0; i < 64; i++) numbers[i] = (round * 2654435761u) >> (i & 15);
    qsort(numbers, 64, sizeof *numbers, compare);
    snprintf(text, sizeof text, "%d %s %g", numbers[3], "text", round / 3.0);
    memset(text + 100, round, 3000);
    free(malloc(round % 5000));
    sink += strlen(text) + t.tv_nsec;
    if (round % 64 == 0) usleep(1);
  }
  return p;
}
int main(void) {
  struct sigaction a = { .sa_handler = tick, .sa_flags = SA_RESTART };
  sigaction(SIGALRM, &a, 0);
  struct itimerval every = { { 0, 300 }, { 0, 300 } };
  setitimer(ITIMER_REAL, &every, 0);
  pthread_t thread;
  pthread_create(&thread, 0, work, 0);
  puts("ready");
  fflush(stdout);
  work(0);
}`;

test('every sample of a busy program ends at the bottom', async () => {
  await withProgram(BUSY, ['-O2'], (pid) => {
    const observed = new Observed(pid);
    try {
      const bottoms = new Map<number, Set<bigint>>();
      const visited = new Set<string>();
      let signals = 0;
      for (let round = 0; round < 250; round++) {
        for (const tid of threadsOf(pid)) {
          const { frames, end } = observed.walkThread(tid);
          const where = frames.map(({ pc, module }) => `${pc.toString(16)} ${module?.name}`).join('\n');
          assert.deepEqual(end, { kind: 'bottom' }, where);
          bottoms.set(tid, (bottoms.get(tid) ?? new Set()).add(frames.at(-1)!.pc));
          for (const { module } of frames) if (module) visited.add(module.name);
          if (frames.some(({ kind }) => kind === 'signal')) signals++;
        }
      }
      for (const [tid, pcs] of bottoms) assert.equal(pcs.size, 1, `thread ${tid} always begins at one place`);
      assert.ok(signals > 0, 'some samples were in a signal handler');
      assert.ok([...visited].some((name) => name.includes('libc')));
    } finally {
      observed.close();
    }
  });
});
