import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, copyFileSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { remote } from '../bytes/address.ts';
import { kill, SIGCONT, SIGKILL, SIGSTOP } from '../sys/signals.ts';
import { pipe, spawn } from '../sys/spawn.ts';
import { __WALL, WUNTRACED, waitFor } from '../sys/wait.ts';
import { onChild } from './rehearse.ts';
import { remoteCall } from './remote-call.ts';
import { stopAll } from './stop.ts';
import { Target } from './target.ts';
import { cleanUp, compile, endChild, start, testFolder, Workers } from './test-target.ts';

after(cleanUp);

const refusal = (pid: number): string => {
  try {
    Target.open(pid).close();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return `${error.message} [${String(error.code)}]`;
    throw error;
  }
  return 'opened';
};

test('modules are known by build id, from memory, and their files are found', async () => {
  const workers = new Workers(['nanosleep']);
  try {
    await workers.expectProgress();
    const target = Target.open(workers.pid);
    const modules = target.modules();
    const executable = modules.find((module) => module.isExecutable);
    assert.equal(executable?.path, target.exe);
    const said = execFileSync('readelf', ['-n', target.exe], { encoding: 'utf8' });
    assert.equal(executable?.buildId, /Build ID: ([0-9a-f]+)/.exec(said)?.[1]);
    assert.equal(executable?.file?.buildId(), executable?.buildId);
    assert.ok(modules.some((module) => /libc\.so/.test(module.path) && module.file !== undefined));
    const vdso = modules.find((module) => module.isVdso);
    assert.ok(vdso !== undefined && vdso.file === undefined);
    for (const module of modules) {
      assert.deepEqual(target.memory.read(module.start, 4), Uint8Array.of(0x7f, 0x45, 0x4c, 0x46));
      assert.ok(module.mappings.some(({ execute }) => execute));
    }
    target.close();
  } finally {
    workers.end();
  }
});

test('a program whose file was replaced or deleted is still known', async () => {
  const program = join(testFolder(), 'copy');
  copyFileSync('/bin/sleep', program);
  const pid = start(program, '60');
  try {
    await untilLoaded(pid);
    const first = Target.open(pid)
      .modules()
      .find((module) => module.isExecutable);
    rmSync(program);
    const target = Target.open(pid);
    const deleted = target.modules().find((module) => module.isExecutable);
    assert.equal(deleted?.buildId, first?.buildId);
    assert.equal(deleted?.mappings[0]?.deleted, true);
    assert.equal(target.exe, program);
    // root can still open what is mapped
    assert.equal(deleted?.file?.buildId(), first?.buildId);
    copyFileSync('/bin/cat', program);
    const replaced = target.modules().find((module) => module.isExecutable);
    assert.equal(replaced?.file?.buildId(), first?.buildId, 'the file that has the name now is another');
    target.close();
  } finally {
    endChild(pid);
  }
});

test('memory: text can be written, what is not mapped cannot, and nothing of a process that ended', async () => {
  const workers = new Workers(['spin']);
  await workers.expectProgress();
  const target = Target.open(workers.pid);
  const text = target.maps().find(({ execute }) => execute)!;
  const before = target.memory.read(text.start, 4);
  target.memory.write(text.start, before);
  assert.throws(() => target.memory.read(remote(4096n), 8), { code: 'IO' });
  assert.throws(() => target.memory.write(remote(4096n), before), { code: 'IO' });
  assert.equal(target.memory.tryRead(remote(4096n), 8), undefined);
  assert.equal(target.memory.tryRead(remote(0xffff_ffff_ff60_0000n), 8), undefined);
  assert.throws(() => target.memory.read(remote(text.end - 4n), 1 << 24), { code: 'IO' });
  workers.end();
  assert.throws(() => target.memory.read(text.start, 4), { code: 'PROCESS_GONE' });
  assert.equal(target.memory.tryRead(text.start, 4), undefined);
  assert.throws(() => target.maps(), { code: 'PROCESS_GONE' });
  assert.equal(target.alive(), false);
  target.close();
});

test('processes that cannot be worked on are refused by name', async () => {
  assert.match(refusal(0x3fff_fff0), /^there is no process \d+ \[NO_PROCESS\]$/);
  assert.match(refusal(-3), /not a process id \[NO_PROCESS\]$/);
  assert.match(refusal(process.pid), /is suture itself \[PROCESS_UNFIT\]$/);
  assert.match(refusal(2), /is a thread of the kernel|there is no process/);

  const pid = start('/bin/sleep', '60');
  kill(pid, SIGSTOP);
  waitFor(pid, WUNTRACED | __WALL);
  assert.match(refusal(pid), /\(sleep\) is stopped by a signal \[PROCESS_UNFIT\]$/);
  kill(pid, SIGCONT);
  kill(pid, SIGKILL);
  while (!readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z')) await soon();
  assert.match(refusal(pid), /has ended, or its first thread has \[PROCESS_UNFIT\]$/);
  endChild(pid);

  const workers = new Workers(['nanosleep', 'nanosleep']);
  await workers.expectProgress();
  const target = Target.open(workers.pid);
  const other = target.threads().find((tid) => tid !== workers.pid)!;
  assert.match(
    refusal(other),
    new RegExp(`^${other} is a thread of process ${workers.pid} \\[NO_PROCESS\\]$`),
  );
  target.close();
  workers.end();
});

const TRACER = `
#include <stdlib.h>
#include <sys/ptrace.h>
#include <unistd.h>
int main(int argc, char **argv) {
  (void)argc;
  if (ptrace(PTRACE_SEIZE, atoi(argv[1]), 0, 0)) return 1;
  write(1, "x", 1);
  for (;;) pause();
}`;

test('who traces a process already is named, also when it began after the process was opened', () => {
  const output = pipe();
  const pid = start('/bin/sleep', '60');
  const target = Target.open(pid);
  const program = compile('tracer', TRACER);
  const tracer = spawn({
    file: program,
    argv: [program, String(pid)],
    descriptors: [{ from: output.writing, to: 1 }],
  });
  try {
    readSync(output.reading, new Uint8Array(1));
    const expected = new RegExp(`\\(sleep\\) is traced by process ${tracer} \\(tracer\\)`);
    assert.match(refusal(pid), expected);
    const getpid = { kind: 'syscall', number: 39, args: [] } as const;
    assert.throws(() => remoteCall(target, [getpid]), expected);
    assert.throws(() => stopAll(target, { collectDeadlineMs: 100 }), expected);
  } finally {
    kill(tracer, SIGKILL);
    waitFor(tracer, __WALL);
    closeSync(output.reading);
    closeSync(output.writing);
    target.close();
    endChild(pid);
  }
});

test('a 32-bit process is refused', async () => {
  const source = join(testFolder(), 'small.s');
  writeFileSync(source, '.globl _start\n_start: jmp _start\n');
  execFileSync('as', ['--32', '-o', `${source}.o`, source]);
  execFileSync('ld', ['-m', 'elf_i386', '-o', `${source}.exe`, `${source}.o`]);
  const pid = start(`${source}.exe`);
  assert.match(refusal(pid), /is a 32-bit process \[PROCESS_UNFIT\]$/);
  endChild(pid);
});

test('a process that is stopped by a signal while we stop it is let go, still stopped', async () => {
  const workers = new Workers(['read', 'spin']);
  try {
    await workers.expectProgress();
    const target = Target.open(workers.pid);
    kill(workers.pid, SIGSTOP);
    while (target.status().State !== 'T') await soon();
    assert.throws(() => stopAll(target, { collectDeadlineMs: 500 }), /was stopped by signal 19/);
    const getpid = { kind: 'syscall', number: 39, args: [] } as const;
    assert.throws(() => remoteCall(target, [getpid], { deadlineMs: 20 }), { code: 'PROCESS_UNFIT' });
    await soon();
    assert.equal(target.status().State, 'T');
    kill(workers.pid, SIGCONT);
    await workers.expectProgress();
    target.close();
  } finally {
    workers.end();
  }
});

const VFORKING = `
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static int child(void *p) { (void)p; usleep(400000); _exit(0); }
int main(void) {
  char *stack = malloc(65536);
  write(1, "x", 1);
  clone(child, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
  for (;;) pause();
}`;

test('a vfork parent does not stop: a timeout names it, and it goes on when its child is done', async () => {
  const output = pipe();
  const program = compile(
    'vforking',
    VFORKING.replace('#include <sched.h>', '#include <sched.h>\n#include <signal.h>'),
  );
  const pid = spawn({ file: program, argv: [program], descriptors: [{ from: output.writing, to: 1 }] });
  try {
    readSync(output.reading, new Uint8Array(1));
    const target = Target.open(pid);
    while (target.status().State !== 'D') await soon();
    assert.deepEqual(stopAll(target, { collectDeadlineMs: 20 }), { kind: 'timeout', tids: [pid] });
    const getpid = { kind: 'syscall', number: 39, args: [] } as const;
    assert.deepEqual(remoteCall(target, [getpid], { deadlineMs: 5000 }), [BigInt(pid)]);
    while (target.status().TracerPid !== 0) await soon();
    // It has been let go, and sleeps in pause again as soon as it is given a processor.
    const late = performance.now() + 5000;
    while (target.status().State === 'R' && performance.now() < late) await soon();
    assert.equal(target.status().State, 'S');
    target.close();
  } finally {
    kill(pid, SIGKILL);
    waitFor(pid, __WALL);
    closeSync(output.reading);
    closeSync(output.writing);
  }
});

test('a child of our own can be stopped and called through, and is gone afterwards', () => {
  let pid = 0;
  onChild((target) => {
    pid = target.pid;
    const stopped = stopAll(target, { collectDeadlineMs: 1000 });
    assert.ok(!('kind' in stopped));
    const { getpid } = target.arch.syscall.numbers;
    assert.deepEqual(stopped.call([{ kind: 'syscall', number: getpid, args: [] }]), [BigInt(pid)]);
    assert.equal(stopped.threads.length, 1);
    stopped.release();
  });
  assert.ok(pid > 0);
  assert.throws(() => Target.open(pid), { code: 'NO_PROCESS' });
});

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

async function untilLoaded(pid: number): Promise<void> {
  while (!readFileSync(`/proc/${pid}/syscall`, 'latin1').startsWith('230')) await soon();
}
