/** Coroutines that wait in the code that would change, in the ways in which programs make them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyPatches, statusOf } from '../../src/apply/engine.ts';
import type { Patch } from '../../src/patch/patch.ts';
import { Target } from '../../src/process/target.ts';
import { loadStacks } from '../../src/store/stacks.ts';
import type { ContextList } from '../../src/unwind/context-list.ts';
import { type Program, patchOf, Workshop } from './fixture.ts';

/**
 * "N" starts a coroutine in f(N), which waits there; "go" lets it return and ends it; "call N" calls f without waiting.
 */
const program = (stacks: string, switching: string) => `
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
enum { SIZE = 65536 };
static int argument, result, waits;
static void entry(void);
static void yield(void);
${stacks}
${switching}
__attribute__((noinline)) int f(int x) { int before = x; if (waits) yield(); return before + 1; }
static void entry(void) { result = f(argument); for (;;) yield(); }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    if (!strncmp(line, "call", 4)) { waits = 0; printf("%d\\n", f(atoi(line + 5))); }
    else if (!strncmp(line, "go", 2)) { resume(); drop(); printf("%d\\n", result); }
    else { waits = 1; argument = atoi(line); begin(); resume(); printf("waits\\n"); }
  }
}`;

const GUARDED = `
static char *mapped;
static char *stack(void) {
  mapped = mmap(NULL, SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(mapped, 4096, PROT_NONE);
  return mapped + 4096;
}
static void drop(void) { munmap(mapped, SIZE + 4096); }`;

const UCONTEXT = `
static ucontext_t outside, inside;
static void yield(void) { swapcontext(&inside, &outside); }
static void resume(void) { swapcontext(&outside, &inside); }
static void begin(void) {
  getcontext(&inside);
  inside.uc_stack.ss_sp = stack();
  inside.uc_stack.ss_size = SIZE;
  makecontext(&inside, entry, 0);
}`;

/** As libco and boost.context do it: what a call preserves is pushed, and the stack pointers are exchanged. */
const HAND_WRITTEN = `
void exchange(void **save, void *load);
__asm__(".text\\n.globl exchange\\n.type exchange,@function\\nexchange:\\n"
  "push %rbp\\npush %rbx\\npush %r12\\npush %r13\\npush %r14\\npush %r15\\n"
  "mov %rsp,(%rdi)\\nmov %rsi,%rsp\\n"
  "pop %r15\\npop %r14\\npop %r13\\npop %r12\\npop %rbx\\npop %rbp\\nret\\n.size exchange,.-exchange\\n");
static void *outside, *inside;
static void yield(void) { exchange(&inside, outside); }
static void resume(void) { exchange(&outside, inside); }
static void begin(void) {
  void **top = (void **)(stack() + SIZE);
  *--top = NULL;
  *--top = (void *)entry;
  top -= 6;
  inside = top;
}`;

/** As POSIX threads without an operating system do it: a handler on an alternate stack is left by longjmp. */
const ALTERNATE = `
#include <setjmp.h>
static jmp_buf outside, inside;
static void handler(int n) { (void)n; if (_setjmp(inside) == 0) return; entry(); }
static void yield(void) { if (_setjmp(inside) == 0) _longjmp(outside, 1); }
static void resume(void) { if (_setjmp(outside) == 0) _longjmp(inside, 1); }
static void begin(void) {
  stack_t alternate = {.ss_sp = stack(), .ss_size = SIZE}, none = {.ss_flags = SS_DISABLE};
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
  sigaltstack(&alternate, NULL);
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  sigaltstack(&none, NULL);
}`;

const FIXED = 'void other(void); int f(int x) { return x + 100; }';

const apply = (running: Program, patch: Patch, timeoutMs = 60, stacks: readonly ContextList[] = []) => {
  const target = Target.open(running.pid);
  try {
    const outcome = applyPatches([target], [patch], { timeoutMs, stacks })[0]!;
    if (outcome.outcome !== 'applied') assert.deepEqual(statusOf(target), []);
    return outcome;
  } finally {
    target.close();
  }
};

for (const [name, switching] of [
  ['ucontext', UCONTEXT],
  ['hand-written', HAND_WRITTEN],
  ['alternate stack', ALTERNATE],
] as const) {
  test(`${name}: a coroutine that waits in a function is named, and in the way until it ends`, async () => {
    using shop = new Workshop();
    const base = shop.compile('coroutine', program(GUARDED, switching), ['-D_FORTIFY_SOURCE=0']);
    const patch = patchOf({ id: 'waits', base, object: shop.compileObject('fix', FIXED), changed: ['f'] });
    const running = shop.start(base);
    assert.equal(await running.ask('call 1'), '2');
    assert.equal(await running.ask('5'), 'waits');

    const busy = apply(running, patch);
    assert.equal(busy.outcome, 'busy', JSON.stringify(busy));
    const [blocker] = busy.blockers ?? [];
    assert.equal(blocker?.tid, 0);
    assert.match(blocker.why, /a suspended context may return to f \(word at 0x[0-9a-f]+ in the mapping/);
    assert.match(blocker.frames[0] ?? '', /^f\+0x[0-9a-f]+ \(coroutine\)$/);

    assert.equal(await running.ask('go'), '6');
    const applied = apply(running, patch, 5000);
    assert.equal(applied.outcome, 'applied', JSON.stringify(applied));
    assert.equal(await running.ask('call 1'), '101');
  });
}

const IN_HEAP = `
static char *stack(void) { return malloc(SIZE); }
static void drop(void) {}
struct node { struct node *next; int state; void *sp; @jmp_buf saved;@ } one, *all;`;

/** The stacks are in the heap: nobody could know them for stacks. */
const LISTED_SWITCH = HAND_WRITTEN.replace('*outside, *inside;', '*outside;')
  .replaceAll('&inside', '&one.sp')
  .replace('exchange(&outside, inside)', 'exchange(&outside, one.sp)')
  .replace('inside = top;', 'one.sp = top; all = &one;');
const LISTED_JUMP = ALTERNATE.replace('#include <setjmp.h>', '')
  .replace('outside, inside;', 'outside;')
  .replace('static void handler', '\n#define inside one.saved\nstatic void handler')
  .replace('raise(SIGUSR1);', 'raise(SIGUSR1); all = &one;');

const PUSHED = { r15: 0, r14: 8, r13: 16, r12: 24, rbx: 32, rbp: 40, pc: 48 };
const SAVED = { rbx: 24, rbp: 32, r12: 40, r13: 48, r14: 56, r15: 64, pc: 80 };

for (const [name, source, list] of [
  [
    'pushed registers',
    program(IN_HEAP.replace(/@.*@/, ''), LISTED_SWITCH),
    { name: 'routines', first: 'all', next: 0, stackPointer: 16, pushed: PUSHED, popped: 56 },
  ],
  [
    'a mangled jmp_buf',
    program(`#include <setjmp.h>${IN_HEAP.replaceAll('@', '')}`, LISTED_JUMP),
    {
      name: 'routines',
      first: 'all',
      next: 0,
      stackPointer: 72,
      saved: SAVED,
      mangled: ['rbp', 'sp', 'pc'],
      bottom: ['handler'],
    },
  ],
] as const) {
  test(`described contexts (${name}) are unwound: in the way while in the function, and not a moment longer`, async () => {
    using shop = new Workshop();
    const file = join(shop.directory, 'stacks.json');
    writeFileSync(file, JSON.stringify({ contexts: [list] }));
    const stacks = loadStacks(file);
    const base = shop.compile('coroutine', source, ['-D_FORTIFY_SOURCE=0']);
    const patch = patchOf({ id: 'waits', base, object: shop.compileObject('fix', FIXED), changed: ['f'] });
    const running = shop.start(base);
    assert.equal(await running.ask('call 1'), '2');
    assert.equal(await running.ask('5'), 'waits');

    const busy = apply(running, patch, 60, stacks);
    assert.equal(busy.outcome, 'busy', JSON.stringify(busy));
    const [blocker] = busy.blockers ?? [];
    assert.match(blocker?.why ?? '', /^the context at 0x[0-9a-f]+ of routines is in f$/);
    assert.ok(
      blocker?.frames.some((frame) => frame.startsWith('f+')),
      blocker?.frames.join(', '),
    );

    assert.equal(await running.ask('go'), '6');
    const applied = apply(running, patch, 5000, stacks);
    assert.equal(applied.outcome, 'applied', JSON.stringify(applied));
    assert.equal(await running.ask('call 1'), '101');
  });
}
