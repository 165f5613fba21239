/** Processes as they are on real machines: in namespaces, without their files, under filters and limits, ending. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  applyPatches,
  type EngineOptions,
  revertPatches,
  statusOf,
  verifyProcess,
} from '../../src/apply/engine.ts';
import type { ProcessOutcome } from '../../src/apply/outcome.ts';
import type { Patch } from '../../src/patch/patch.ts';
import { Target } from '../../src/process/target.ts';
import { type Program, patchOf, Workshop } from './fixture.ts';

/** Answers a number with f and g of it, which lie in pages of their own. The argument says what it is like. */
const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noinline, aligned(4096))) int f(int x) { return x + 1; }
__attribute__((noinline, aligned(4096))) int g(int x) { return x + 2; }
static void *live_short(void *arg) { return (void *)(long)f((long)arg); }
static void *churn(void *arg) {
  for (pthread_t t[4];;) {
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, live_short, arg);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  }
}
static void *spawn_often(void *arg) {
  for (;;) { pid_t p = vfork(); if (p == 0) { execl("/bin/true", "true", NULL); _exit(1); } waitpid(p, NULL, 0); usleep(500); }
  return arg;
}
static void filter(unsigned action) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, action),
  };
  struct sock_fprog program = {sizeof code / sizeof code[0], code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) abort();
}
int main(int argc, char **argv) {
  char line[64];
  pthread_t t;
  const char *mode = argc > 1 ? argv[1] : "";
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!fgets(line, sizeof line, stdin)) return 0;
  printf("%d %d\\n", f(atoi(line)), g(atoi(line)));
  if (!strcmp(mode, "churn")) { pthread_create(&t, NULL, churn, NULL); pthread_create(&t, NULL, churn, NULL); }
  if (!strcmp(mode, "spawn")) pthread_create(&t, NULL, spawn_often, NULL);
  if (!strcmp(mode, "errno")) filter(SECCOMP_RET_ERRNO | 1);
  if (!strcmp(mode, "kill")) filter(SECCOMP_RET_KILL_PROCESS);
  if (!strcmp(mode, "limit")) { struct rlimit none = {1 << 20, 1 << 20}; setrlimit(RLIMIT_AS, &none); }
  if (!strcmp(mode, "exit")) { usleep(atoi(argv[2])); _exit(0); }
  if (!strcmp(mode, "zombie")) { if (fork() == 0) _exit(0); }
  if (!strcmp(mode, "vfork")) { pid_t p = vfork(); if (p == 0) { usleep(1200000); _exit(0); } waitpid(p, NULL, 0); }
  while (fgets(line, sizeof line, stdin)) printf("%d %d\\n", f(atoi(line)), g(atoi(line)));
}`;
const FIXED = 'int f(int x) { return x + 10; } int g(int x) { return x + 20; }';

let shop: Workshop;
let base: string;
let patch: Patch;

const patchFor = (program: string): Patch =>
  patchOf({ id: 'real', base: program, object: shop.compileObject('fix', FIXED), changed: ['f', 'g'] });

function withTarget<T>(pid: number, work: (target: Target) => T): T {
  const target = Target.open(pid);
  try {
    return work(target);
  } finally {
    target.close();
  }
}
const apply = (pid: number, options?: EngineOptions, patches = [patch]): ProcessOutcome =>
  withTarget(pid, (target) => applyPatches([target], patches, options)[0]!);
const revert = (pid: number): ProcessOutcome =>
  withTarget(pid, (target) => revertPatches([target], ['real'])[0]!);

/** Patches the process, sees it answer, verifies it, and takes the patch back. */
async function expectPatchable(program: Program, pid = program.pid, patches = [patch]): Promise<void> {
  const applied = apply(pid, {}, patches);
  assert.equal(applied.outcome, 'applied', JSON.stringify(applied));
  assert.equal(await program.ask('1'), '11 21');
  const findings = withTarget(pid, verifyProcess);
  assert.ok(
    findings.every(({ severity }) => severity === 'ok'),
    JSON.stringify(findings),
  );
  const reverted = revert(pid);
  assert.equal(reverted.outcome, 'reverted', JSON.stringify(reverted));
  assert.equal(await program.ask('1'), '2 3');
  assert.deepEqual(withTarget(pid, statusOf), []);
}

/** Starts a program, perhaps by another command, and waits until it answers. */
async function started(command: readonly string[]): Promise<Program> {
  const program = shop.start(command[0]!, command.slice(1));
  assert.equal(await program.ask('1'), '2 3');
  return program;
}

/** A process that has just ended has none. */
function childrenOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The one process below `pid` that has no child itself. */
function innermost(pid: number): number {
  for (;;) {
    const [child] = childrenOf(pid);
    if (child === undefined) return pid;
    pid = Number(child);
  }
}

before(() => {
  shop = new Workshop();
  base = shop.compile('real', SOURCE, ['-O0', '-pthread']);
  patch = patchFor(base);
});
after(() => shop[Symbol.dispose]());

test('threads that come and go all the time', async () => {
  const program = await started([base, 'churn']);
  for (let round = 0; round < 3; round++) await expectPatchable(program);
});

test('a thread that makes vfork children all the time', async () => {
  const program = await started([base, 'spawn']);
  for (let round = 0; round < 3; round++) await expectPatchable(program);
});

test('the parent of a vfork child is waited for; the child, which runs in its memory, is refused', async () => {
  const program = await started([base, 'vfork']);
  let child = innermost(program.pid);
  while (child === program.pid) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    child = innermost(program.pid);
  }
  assert.throws(() => withTarget(child, () => {}), {
    code: 'PROCESS_UNFIT',
    message: /memory of its parent/,
  });
  const busy = apply(program.pid, { timeoutMs: 30 });
  assert.equal(busy.outcome, 'busy', JSON.stringify(busy));
  assert.match(busy.reason ?? '', /uninterruptible/);
  while (innermost(program.pid) !== program.pid) await new Promise((resolve) => setTimeout(resolve, 5));
  await expectPatchable(program);
});

for (const [what, command] of [
  ['another mount namespace, where other files have the names', ['unshare', '-m', 'sh', '-c']],
  ['another pid namespace', ['unshare', '-p', '-f', '--mount-proc', 'sh', '-c']],
] as const) {
  test(what, async () => {
    // The program's file has this name only inside.
    const inside = `${base}-inside`;
    const script = `exec 9<${base}; mount -t tmpfs none ${shop.directory}; cp /proc/self/fd/9 ${inside}; chmod +x ${inside}; exec ${inside}`;
    const program = shop.start(command[0], [...command.slice(1), script]);
    assert.equal(await program.ask('1'), '2 3');
    await expectPatchable(program, innermost(program.pid));
    program.child.stdin?.end();
    await program.ended;
  });
}

test('a chroot', async () => {
  const root = join(shop.directory, 'root');
  const libraries = execFileSync('ldd', [base], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  for (const file of [base, ...libraries]) {
    const copy = join(root, file);
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(file, copy);
  }
  const program = await started(['chroot', root, base]);
  await expectPatchable(program);
});

test('a program whose file was deleted, and one whose file was replaced by a shorter one', async () => {
  for (const replacement of [undefined, 'short']) {
    const copy = join(shop.directory, `gone-${replacement}`);
    copyFileSync(base, copy);
    const program = await started([copy]);
    rmSync(copy);
    if (replacement !== undefined) writeFileSync(copy, replacement);
    await expectPatchable(program);
  }
});

test('a program whose file was renamed', async () => {
  const copy = join(shop.directory, 'before');
  copyFileSync(base, copy);
  const program = await started([copy]);
  renameSync(copy, join(shop.directory, 'behind'));
  await expectPatchable(program);
});

for (const action of ['errno', 'kill']) {
  test(`a seccomp filter that answers mmap with ${action}`, async () => {
    const program = await started([base, action]);
    await expectPatchable(program);
  });
}

test('a process at its memory limit is refused, and nothing of it is touched', async () => {
  const program = await started([base, 'limit']);
  assert.equal(await program.ask('1'), '2 3');
  const before = withTarget(program.pid, (target) => target.maps().length);
  const outcome = apply(program.pid);
  assert.equal(outcome.outcome, 'failed', JSON.stringify(outcome));
  assert.match(outcome.remedy ?? '', /memory limit/);
  assert.equal(
    withTarget(program.pid, (target) => target.maps().length),
    before,
  );
  assert.equal(await program.ask('1'), '2 3');
});

test('a child that ended and was not waited for is refused with that reason', async () => {
  const program = await started([base, 'zombie']);
  await program.ask('1');
  const child = innermost(program.pid);
  assert.notEqual(child, program.pid);
  assert.throws(() => Target.open(child), { code: 'PROCESS_UNFIT', message: /has ended/ });
});

test('a stopped process is refused, and patched once it goes on', async () => {
  const program = await started([base]);
  program.child.kill('SIGSTOP');
  while (!/^State:\s+T/m.test(readFileSync(`/proc/${program.pid}/status`, 'utf8')));
  assert.throws(() => Target.open(program.pid), { code: 'PROCESS_UNFIT', message: /stopped/ });
  program.child.kill('SIGCONT');
  await expectPatchable(program);
});

test('addresses that are not random', async () => {
  await expectPatchable(await started(['setarch', '-R', base]));
});

for (const flags of [['-static'], ['-static-pie'], ['-no-pie'], ['-Wl,-z,noseparate-code']]) {
  test(`linked with ${flags.join(' ')}`, async () => {
    const program = shop.compile(`linked${flags.join('')}`.replaceAll(',', ''), SOURCE, [
      '-O0',
      '-pthread',
      ...flags,
    ]);
    await expectPatchable(await started([program]), undefined, [patchFor(program)]);
  });
}

test('an object loaded with dlopen, another copy of it with dlmopen, and both changed in one stop', async () => {
  const library = shop.compile('plugin.so', 'int part(int x) { return x + 1; }', ['-shared', '-fPIC', '-O0']);
  const program = shop.compile(
    'loader',
    `#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  void *one = dlopen(argv[1], RTLD_NOW), *two = dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW);
  int (*in_one)(int) = (int (*)(int))dlsym(one, "part"), (*in_two)(int) = (int (*)(int))dlsym(two, "part");
  while (fgets(line, sizeof line, stdin)) printf("%d %d\\n", in_one(atoi(line)), in_two(atoi(line)));
}`,
    ['-ldl'],
  );
  const object = shop.compileObject('fixpart', 'int part(int x) { return x + 50; }');
  const part = patchOf({ id: 'real', base: library, object, changed: ['part'] });
  const running = shop.start(program, [library]);
  assert.equal(await running.ask('1'), '2 2');
  const outcome = apply(running.pid, {}, [part]);
  assert.equal(outcome.outcome, 'applied', JSON.stringify(outcome));
  assert.equal(outcome.objects.length, 2);
  assert.equal(await running.ask('1'), '51 51');
  assert.equal(revert(running.pid).outcome, 'reverted');
  assert.equal(await running.ask('1'), '2 2');
});
