import assert from 'node:assert/strict';
import { closeSync, readFileSync, readSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Remote, remote, toRemote } from '../bytes/address.ts';
import { kill, SIGKILL } from '../sys/signals.ts';
import { pipe, spawn } from '../sys/spawn.ts';
import { __WALL, waitFor } from '../sys/wait.ts';
import { type RemoteCall, remoteCall } from './remote-call.ts';
import { stopAll } from './stop.ts';
import { Target } from './target.ts';
import { type Activity, cleanUp, compile, endChild, start, testFolder, Workers } from './test-target.ts';
import { findWays } from './ways.ts';

after(cleanUp);

const system = (number: number, ...args: bigint[]): RemoteCall => ({ kind: 'syscall', number, args });
const GETPID = system(39);
const MMAP = system(9, 0n, 8192n, 3n, 0x22n, -1n, 0n);
const munmap = (at: bigint): RemoteCall => system(11, at, 8192n);
const KINDS: readonly Activity[] = ['read', 'futex', 'nanosleep', 'epoll', 'poll', 'spin', 'handler'];

function functionAt(target: Target, name: string): Remote {
  const module = target.modules().find(({ isExecutable }) => isExecutable);
  const symbol = module?.file?.symbols.named(name)[0];
  assert.ok(module !== undefined && symbol !== undefined, name);
  return toRemote(symbol.value, module.bias);
}

for (const kind of KINDS) {
  test(`through a thread in ${kind}: getpid, mmap, a write, munmap, 40 times over`, async () => {
    const workers = new Workers([kind]);
    try {
      await workers.expectProgress();
      const target = Target.open(workers.pid);
      const mapped = target.maps().length;
      for (let i = 0; i < 40; i++) {
        const [pid, at] = remoteCall(target, [GETPID, MMAP]);
        assert.equal(pid, BigInt(workers.pid));
        assert.ok(at !== undefined && at > 0n);
        target.memory.write(remote(at), Uint8Array.of(i));
        assert.deepEqual(target.memory.read(remote(at), 2), Uint8Array.of(i, 0));
        assert.deepEqual(remoteCall(target, [munmap(at)]), [0n]);
      }
      await workers.expectProgress();
      assert.equal(target.maps().length, mapped, 'no mapping was left');
      target.close();
    } finally {
      workers.end();
    }
  });
}

test('the error of a system call is its result', async () => {
  const pid = start('/bin/sleep', '60');
  // Before its libraries are loaded it has no code for a system call.
  for (let i = 0; i < 500 && !readFileSync(`/proc/${pid}/maps`, 'latin1').includes('libc.so'); i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const target = Target.open(pid);
  assert.deepEqual(remoteCall(target, [system(3, 9999n), system(11, 1n, 4096n)]), [-9n, -22n]);
  target.close();
  endChild(pid);
});

test('functions return their words, also when they make system calls, and leave nothing behind', async () => {
  const workers = new Workers(['read', 'spin', 'poll']);
  try {
    await workers.expectProgress();
    const target = Target.open(workers.pid);
    const mapped = target.maps().length;
    const add = functionAt(target, 'add');
    const naps = functionAt(target, 'naps');
    for (let i = 0; i < 10; i++) {
      const results = remoteCall(target, [
        { kind: 'function', address: add, args: [40n, 2n] },
        GETPID,
        { kind: 'function', address: naps, args: [1n] },
        { kind: 'function', address: add, args: [-1n, 0n] },
      ]);
      assert.deepEqual(results, [42n, BigInt(workers.pid), 2n, 0xffff_ffff_ffff_ffffn]);
    }
    const stopped = stopAll(target, { collectDeadlineMs: 1000 });
    assert.ok(!('kind' in stopped));
    assert.deepEqual(stopped.call([{ kind: 'function', address: add, args: [1n, 2n] }]), [3n]);
    stopped.release();
    assert.equal(target.maps().length, mapped);
    await workers.expectProgress();
    target.close();
  } finally {
    workers.end();
  }
});

test('a function that faults is an error, and the program goes on', async () => {
  const workers = new Workers(['read', 'spin', 'handler']);
  try {
    await workers.expectProgress();
    const target = Target.open(workers.pid);
    const mapped = target.maps().length;
    const crash = functionAt(target, 'crash');
    for (let i = 0; i < 5; i++) {
      assert.throws(
        () => remoteCall(target, [{ kind: 'function', address: crash, args: [] }]),
        /faulted at 0x/,
      );
    }
    assert.deepEqual(remoteCall(target, [GETPID]), [BigInt(workers.pid)]);
    assert.equal(target.maps().length, mapped);
    await workers.expectProgress();
    target.close();
  } finally {
    workers.end();
  }
});

const RECEIVER = `
#include <signal.h>
#include <stdint.h>
#include <unistd.h>
static volatile int next, wrong;
static void on(int n, siginfo_t *i, void *c) {
  (void)n; (void)c;
  if (i->si_value.sival_int != next) wrong++;
  next++;
}
int main(int argc, char **argv) {
  struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGRTMIN + 3, &a, 0);
  char c = 'r'; write(1, &c, 1);
  while (argc > 1 || argv) { /* a pipe with nobody at the other end but us */
    char b; int n = read(0, &b, 1);
    if (n != 1) { int r[2] = {-1, n}; write(1, r, sizeof r); return 1; }
    int r[2] = {next, wrong}; write(1, r, sizeof r);
  }
}`;
const SENDER = `
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
  int pid = atoi(argv[1]), count = atoi(argv[2]);
  (void)argc;
  for (int i = 0; i < count; i++) {
    union sigval v = {.sival_int = i};
    while (sigqueue(pid, SIGRTMIN + 3, v) != 0) { if (errno != EAGAIN) return 1; usleep(100); }
    if (i % 3 == 0) usleep(20);
  }
  return 0;
}`;

test('a storm of signals during calls arrives whole and in order', () => {
  const count = 4000;
  const input = pipe();
  const output = pipe();
  const receiver = compile('receiver', RECEIVER);
  const pid = spawn({
    file: receiver,
    argv: [receiver],
    descriptors: [
      { from: input.reading, to: 0 },
      { from: output.writing, to: 1 },
    ],
  });
  try {
    readSync(output.reading, new Uint8Array(1));
    const target = Target.open(pid);
    const sender = start(compile('sender', SENDER), String(pid), String(count));
    let calls = 0;
    while (waitFor(sender, 1 | __WALL).kind === 'nothing') {
      assert.deepEqual(remoteCall(target, [GETPID, GETPID]), Array(2).fill(BigInt(pid)));
      const stopped = stopAll(target, { collectDeadlineMs: 1000 });
      assert.ok(!('kind' in stopped));
      stopped.call([GETPID]);
      stopped.release();
      calls++;
    }
    assert.ok(calls > 20, `only ${calls} calls were made meanwhile`);
    process.kill(pid, 0);
    const answer = new Int32Array(2);
    writeSync(input.writing, 'x');
    readSync(output.reading, new Uint8Array(answer.buffer));
    assert.deepEqual([...answer], [count, 0]);
    target.close();
  } finally {
    kill(pid, SIGKILL);
    waitFor(pid, __WALL);
    for (const end of [input.reading, input.writing, output.reading, output.writing]) closeSync(end);
  }
});

const FILTERED = `
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  struct sock_filter f[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog p = {4, f};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)) return 1;
  write(1, "x", 1);
  for (;;) pause();
}`;

test('a filter that kills for mmap is suspended for the call, and is there again afterwards', () => {
  const output = pipe();
  const program = compile('filtered', FILTERED);
  const pid = spawn({ file: program, argv: [program], descriptors: [{ from: output.writing, to: 1 }] });
  try {
    readSync(output.reading, new Uint8Array(1));
    const target = Target.open(pid);
    assert.equal(target.status().Seccomp, 2);
    const [at] = remoteCall(target, [MMAP]);
    assert.ok(at! > 0n);
    assert.deepEqual(remoteCall(target, [munmap(at!)]), [0n]);
    const stopped = stopAll(target, { collectDeadlineMs: 1000 });
    assert.ok(!('kind' in stopped));
    assert.ok(stopped.call([MMAP])[0]! > 0n);
    stopped.release();
    assert.ok(target.alive());
    assert.equal(target.status().Seccomp, 2);
    target.close();
  } finally {
    kill(pid, SIGKILL);
    waitFor(pid, __WALL);
    closeSync(output.reading);
    closeSync(output.writing);
  }
});

const BARE = `
__asm__(".globl _start\\n_start: mov $77,%rbx\\n1: cmp $77,%rbx\\n je 1b\\n ud2\\n"
        "pop %rax\\n ret\\n syscall\\n ret");`;

test('a program that has no sigreturn is led there by pop and system call', () => {
  const pid = start(compile('bare', BARE, ['-nostdlib', '-static']));
  const target = Target.open(pid);
  assert.equal(findWays(target, target.maps())?.returnWords.length, 3);
  for (let i = 0; i < 20; i++) assert.deepEqual(remoteCall(target, [GETPID]), [BigInt(pid)]);
  assert.ok(target.alive());
  target.close();
  endChild(pid);
});

/** Does calls on the process given until somebody kills it. */
const TOOL = `
import { writeSync } from 'node:fs';
import { remoteCall } from './remote-call.ts';
import { stopAll } from './stop.ts';
import { Target } from './target.ts';
const target = Target.open(Number(process.argv[2]));
const add = BigInt(process.argv[3]);
const getpid = { kind: 'syscall', number: 39, args: [] };
const map = { kind: 'syscall', number: 9, args: [0n, 8192n, 3n, 0x22n, -1n, 0n] };
const call = { kind: 'function', address: add, args: [40n, 2n] };
const must = (a, b) => { if (a !== b) { writeSync(2, 'wrong result ' + a + ' for ' + b); process.exit(9); } };
for (let i = 0; ; i++) {
  if (i === 2) writeSync(1, 'x');
  const [pid, at] = remoteCall(target, [getpid, map]);
  must(pid, BigInt(target.pid));
  must(remoteCall(target, [{ kind: 'syscall', number: 11, args: [at, 8192n] }])[0], 0n);
  must(remoteCall(target, [call])[0], 42n);
  const stopped = stopAll(target, { collectDeadlineMs: 500 });
  if (!('kind' in stopped)) { must(stopped.call([getpid, call])[1], 42n); stopped.release(); }
}
`;

test('the tool is killed at random moments of its calls; no target notices', {
  timeout: 600_000,
}, async () => {
  const kills = Number(process.env.SUTURE_KILLS ?? 60);
  const tool = join(testFolder(), 'tool.mjs');
  const here = dirname(fileURLToPath(import.meta.url));
  await build({
    stdin: { contents: TOOL, resolveDir: here, loader: 'ts' },
    outfile: tool,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['koffi'],
    logLevel: 'silent',
    // koffi is looked for from where the tool is.
    define: { 'import.meta.url': JSON.stringify(import.meta.url) },
  });
  const targets = [
    new Workers(['read']),
    new Workers(['spin']),
    new Workers(['handler', 'futex', 'poll', 'nanosleep', 'churn']),
  ];
  try {
    for (const workers of targets) await workers.expectProgress();
    for (let i = 0; i < kills; i++) {
      const workers = targets[i % targets.length]!;
      const target = Target.open(workers.pid);
      const add = functionAt(target, 'add');
      await killInTheMiddle(tool, workers.pid, add);
      await workers.expectProgress();
      assert.equal(target.status().TracerPid, 0);
      // The next one works, and tidies up the page that a killed call of a function may have left.
      assert.deepEqual(remoteCall(target, [{ kind: 'function', address: add, args: [1n, 1n] }]), [2n]);
      const left = target.maps().filter(({ execute, path }) => execute && path === '');
      assert.deepEqual(left, []);
      target.close();
    }
  } finally {
    for (const workers of targets) workers.end();
  }
});

async function killInTheMiddle(tool: string, pid: number, add: Remote): Promise<void> {
  const output = pipe();
  const child = spawn({
    file: process.execPath,
    argv: ['node', tool, String(pid), String(add)],
    descriptors: [
      { from: output.writing, to: 1 },
      { from: 2, to: 2 },
    ],
  });
  closeSync(output.writing);
  const ready = readSync(output.reading, new Uint8Array(1));
  closeSync(output.reading);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 12));
  kill(child, SIGKILL);
  const end = waitFor(child, __WALL);
  assert.equal(ready, 1, 'the tool began its work');
  assert.deepEqual(end, { kind: 'killed', tid: child, signal: SIGKILL });
}
