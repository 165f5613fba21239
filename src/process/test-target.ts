/** For tests: programs that check themselves while somebody stops them and borrows their threads. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleepMicroseconds } from '../sys/scheduler.ts';
import { kill, SIGKILL } from '../sys/signals.ts';
import { spawn } from '../sys/spawn.ts';
import { __WALL, WNOHANG, waitFor } from '../sys/wait.ts';
import { settleLingering } from './tracee.ts';

export type Activity = 'read' | 'futex' | 'nanosleep' | 'epoll' | 'poll' | 'spin' | 'handler' | 'churn';

/** Each thread counts its rounds and what was wrong in them in a shared file: {rounds, wrong} per thread. */
const WORKERS = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct slot { volatile uint64_t rounds, wrong; };
static struct slot *slots;

long add(long a, long b) { return a + b; }
double scale(double x) { return x * 1.5; }
void crash(void) { *(volatile int *)8 = 1; }
long naps(long ms) { struct timespec t = {0, ms * 1000000}; nanosleep(&t, 0); return ms + 1; }

static void bad(struct slot *s) { s->wrong++; }
static void pause_ms(int ms) { struct timespec t = {0, ms * 1000000L}; while (nanosleep(&t, &t) != 0) ; }

static void *feed(void *fd) {
  for (uint32_t i = 0;; i++) { if (write((int)(long)fd, &i, 4) != 4) return 0; pause_ms(1); }
}
static void *in_read(void *p) {
  struct slot *s = p; int fds[2]; pthread_t t; uint32_t got, next = 0;
  if (pipe(fds)) abort();
  pthread_create(&t, 0, feed, (void *)(long)fds[1]);
  for (;; next++) { if (read(fds[0], &got, 4) != 4 || got != next) bad(s); s->rounds++; }
}
static void *in_futex(void *p) {
  struct slot *s = p; pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; pthread_cond_t c = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&m);
  for (;;) {
    struct timespec t; clock_gettime(CLOCK_REALTIME, &t);
    if ((t.tv_nsec += 2000000) >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
    int e = pthread_cond_timedwait(&c, &m, &t);
    if (e != ETIMEDOUT && e != 0) bad(s);
    s->rounds++;
  }
}
static void *in_nanosleep(void *p) {
  struct slot *s = p; struct timespec t = {0, 2000000};
  for (;;) { if (nanosleep(&t, 0) != 0) bad(s); s->rounds++; }
}
static void *in_poll(void *p) {
  struct slot *s = p;
  for (;;) { if (poll(0, 0, 2) != 0) bad(s); s->rounds++; }
}
static void *in_epoll(void *p) {
  struct slot *s = p; struct epoll_event e; int fd = epoll_create1(0);
  for (;;) { int n = epoll_wait(fd, &e, 1, 2); if (n != 0 && !(n < 0 && errno == EINTR)) bad(s); s->rounds++; }
}
static int sums(void) {
  double d = 0.5; uint64_t h = 14695981039346656037u; uint32_t c = 0;
  for (int i = 0; i < 2000; i++) { d = d * 1.0000001 + i; h = (h ^ i) * 1099511628211u; c = c << 1 | (c >> 31 ^ (h & 1)); }
  static volatile double d0; static volatile uint64_t h0; static volatile uint32_t c0; static volatile int set;
  if (!set) { d0 = d; h0 = h; c0 = c; __sync_synchronize(); set = 1; return 1; }
  return d == d0 && h == h0 && c == c0;
}
static void *in_spin(void *p) {
  struct slot *s = p;
  for (;;) { if (!sums()) bad(s); s->rounds++; }
}
static __thread struct slot *volatile mine;
static void on_signal(int n) {
  char canary[64]; memset(canary, n, sizeof canary); __asm__ volatile("" :: "r"(canary) : "memory");
  for (int i = 0; i < 300; i++) if (!sums()) bad(mine);
  for (unsigned i = 0; i < sizeof canary; i++) if (canary[i] != n) bad(mine);
  mine->rounds++;
}
static void *in_handler(void *p) {
  static char stacks[256][32768]; static int used;
  stack_t alt = {.ss_sp = stacks[__sync_fetch_and_add(&used, 1)], .ss_size = sizeof stacks[0]};
  mine = p; sigaltstack(&alt, 0);
  for (;;) { pthread_kill(pthread_self(), SIGUSR1); if (!sums()) bad(mine); }
}
static void *short_life(void *p) { ((struct slot *)p)->rounds++; if (!sums()) bad(p); return 0; }
static void *in_churn(void *p) {
  for (;;) { pthread_t t[3]; for (int i = 0; i < 3; i++) if (pthread_create(&t[i], 0, short_life, p)) bad(p);
    for (int i = 0; i < 3; i++) pthread_join(t[i], 0); }
}
static void *(*named(const char *n))(void *) {
  return !strcmp(n, "read") ? in_read : !strcmp(n, "futex") ? in_futex : !strcmp(n, "nanosleep") ? in_nanosleep
    : !strcmp(n, "poll") ? in_poll : !strcmp(n, "epoll") ? in_epoll : !strcmp(n, "spin") ? in_spin
    : !strcmp(n, "handler") ? in_handler : in_churn;
}
int main(int argc, char **argv) {
  int fd = open(argv[1], O_RDWR), n = argc - 2; pthread_t t; pthread_attr_t a;
  slots = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &act, 0);
  sums();
  pthread_attr_init(&a); pthread_attr_setstacksize(&a, 128 << 10);
  for (int i = 1; i < n; i++) pthread_create(&t, &a, named(argv[2 + i]), &slots[i]);
  named(argv[2])(&slots[0]);
}
`;

let folder: string | undefined;
const children = new Set<number>();

/** A folder for this test run; `cleanUp` removes it. */
export function testFolder(): string {
  folder ??= mkdtempSync(join(tmpdir(), 'suture-process-'));
  return folder;
}

/** Compiles C (`flags` behind the source) and returns the program's path. */
export function compile(name: string, source: string, flags: readonly string[] = []): string {
  const program = join(testFolder(), name);
  writeFileSync(`${program}.c`, source);
  execFileSync('gcc', ['-O2', '-g', '-pthread', '-o', program, `${program}.c`, ...flags], { stdio: 'pipe' });
  return program;
}

/** Starts a program that the test run ends with `endChild` or `cleanUp`. */
export function start(program: string, ...args: string[]): number {
  const pid = spawn({ file: program, argv: [program, ...args] });
  children.add(pid);
  return pid;
}

/** Kills a child and waits for its end, which the threads that we still trace hold up. */
export function endChild(pid: number): void {
  if (!children.delete(pid)) return;
  kill(pid, SIGKILL);
  for (;;) {
    const { kind } = waitFor(pid, __WALL | WNOHANG);
    if (kind === 'exited' || kind === 'killed' || kind === 'no-child') return;
    settleLingering();
    sleepMicroseconds(200);
  }
}

export function cleanUp(): void {
  for (const pid of [...children]) endChild(pid);
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
}

let workers: string | undefined;
let started = 0;

/** Threads at work; the first activity is the main thread's. */
export class Workers {
  readonly pid: number;
  readonly #descriptor: number;

  constructor(readonly activities: readonly Activity[]) {
    workers ??= compile('workers', WORKERS);
    const file = join(testFolder(), `slots-${started++}`);
    writeFileSync(file, new Uint8Array(65536));
    this.#descriptor = openSync(file, 'r');
    this.pid = start(workers, file, ...activities);
  }

  /** Waits until every thread has done more rounds, and shows that none did a wrong one. */
  async expectProgress(): Promise<void> {
    const before = this.counts();
    const deadline = Date.now() + 20_000;
    for (;;) {
      const now = this.counts();
      now.forEach(({ wrong }, index) => {
        assert.equal(wrong, 0, `${this.activities[index]} thread ${index} saw something wrong`);
      });
      if (now.every(({ rounds }, index) => rounds > before[index]!.rounds)) return;
      const stuck = now.flatMap(({ rounds }, i) => (rounds > before[i]!.rounds ? [] : [this.activities[i]]));
      assert.ok(Date.now() < deadline, `no progress: ${stuck.join(' ')}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  counts(): { readonly rounds: number; readonly wrong: number }[] {
    const bytes = new DataView(new ArrayBuffer(this.activities.length * 16));
    readSync(this.#descriptor, bytes, 0, bytes.byteLength, 0);
    return this.activities.map((_, index) => ({
      rounds: Number(bytes.getBigUint64(index * 16, true)),
      wrong: Number(bytes.getBigUint64(index * 16 + 8, true)),
    }));
  }

  end(): void {
    closeSync(this.#descriptor);
    endChild(this.pid);
  }
}
