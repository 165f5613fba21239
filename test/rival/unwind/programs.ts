/** Programs of a Debian machine whose stacks are compared, and small ones of C that do what is rare. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface SampledProgram {
  readonly name: string;
  /** Runs for minutes if it is let. */
  readonly command: readonly string[];
  /** Until it does what it is here for, in milliseconds. */
  readonly settleMs?: number;
}

const onPath = (name: string): string | undefined =>
  (process.env.PATH ?? '/usr/bin:/bin')
    .split(delimiter)
    .filter((folder) => !folder.includes('shims'))
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

const PYTHON = `
import json, re, sqlite3, threading, zlib, random
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def work():
    db = sqlite3.connect(":memory:")
    db.create_function("f", 1, lambda x: fib(int(x) % 12))
    db.execute("create table t(a, b)")
    while True:
        db.executemany("insert into t values(?, ?)", [(random.random(), str(i)) for i in range(200)])
        db.execute("select sum(f(b)), max(a) from t where b like '%7%' group by b % 5 order by 1").fetchall()
        db.execute("delete from t")
        json.loads(json.dumps([{"k": [i, None, "x" * i]} for i in range(100)], indent=1))
        sorted(range(500), key=lambda x: fib(x % 9))
        re.sub(r"(a+)+b", lambda m: m.group(0)[::-1], "aaab" * 200)
        zlib.compress(bytes(range(256)) * 200)
for _ in range(2): threading.Thread(target=work, daemon=True).start()
work()`;

const PERL = `
sub deep { my $n = shift; return $n ? 1 + deep($n - 1) : length(join ",", map { sprintf "%x", $_ } 1 .. 50) }
while (1) {
  my %seen; my $text = join " ", map { $_ * 7919 % 1009 } 1 .. 2000;
  $seen{$_}++ for split / /, $text;
  my @s = sort { $seen{$a} <=> $seen{$b} || $a cmp $b } keys %seen;
  (my $t = $text) =~ s/(\\d)(\\d+)/$2.$1/ge;
  deep(60);
}`;

const NODE = `
const zlib = require('node:zlib'); const crypto = require('node:crypto');
const deep = (n) => (n === 0 ? JSON.stringify(JSON.parse('{"a":[1,2,{"b":"c"}]}')).length : 1 + deep(n - 1));
function round() {
  zlib.gzip(crypto.randomBytes(300000), () => {});
  crypto.pbkdf2('a', 'b', 20000, 64, 'sha512', () => {});
  for (let i = 0; i < 30; i++) { deep(40); [...'banana'.repeat(50)].sort((a, b) => a.localeCompare(b)); /(a|b)+c/.test('ab'.repeat(200)); }
  setImmediate(round);
}
round(); round();`;

const BASH =
  'f() { if (( $1 > 0 )); then f $(( $1 - 1 )); else x=${y//a/b}; fi; }; y=$(printf "a%.0s" {1..300}); while :; do f 40; [[ $y =~ (a+)b ]]; done';

/** Signal handlers on both kinds of stack, the vdso, recursion, callbacks from the C library, calls that do not return. */
const RARE = `
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile unsigned sink;
static int compare(const void *a, const void *b) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); sink += t.tv_nsec; return *(int *)a - *(int *)b; }
static void tick(int s, siginfo_t *i, void *c) {
  (void)i; (void)c;
  struct timespec t;
  for (int n = 0; n < 400; n++) { clock_gettime(CLOCK_REALTIME, &t); sink += t.tv_nsec + s; }
}
static void inner(int s) { (void)s; for (volatile int n = 0; n < 20000; n++) sink += n; }
static void outer(int s) { (void)s; raise(SIGUSR2); for (volatile int n = 0; n < 5000; n++) sink += n; }
static int deep(int n, volatile char *up) {
  volatile char room[n * 3 + 1];
  room[0] = up ? up[0] : 1;
  if (n == 0) { int v[32]; for (int i = 0; i < 32; i++) v[i] = i * 7919 % 101; qsort(v, 32, sizeof *v, compare); return v[3]; }
  return deep(n - 1, room) + room[0];
}
static void *vdso(void *p) { struct timespec t; struct timeval v; for (;;) { for (int i = 0; i < 200; i++) { clock_gettime(CLOCK_MONOTONIC, &t); gettimeofday(&v, 0); sink += t.tv_nsec + time(0); } } return p; }
static void *nested(void *p) {
  stack_t s = { .ss_sp = malloc(65536), .ss_size = 65536 };
  sigaltstack(&s, 0);
  for (;;) { raise(SIGUSR1); deep(15, 0); }
  return p;
}
static void *text(void *p) { char b[500]; for (unsigned n = 0;; n++) { snprintf(b, sizeof b, "%d %s %Lg", n, "x", sqrtl(n)); sink += strlen(b) + strtol(b, 0, 10); free(malloc(n % 9000)); if (n % 512 == 0) usleep(10); } return p; }
static void *deeper(void *p) { for (;;) deep(60, 0); return p; }
static void *asleep(void *p) { for (;;) pause(); return p; }
int main(void) {
  struct sigaction a = { .sa_sigaction = tick, .sa_flags = SA_RESTART | SA_SIGINFO };
  struct sigaction b = { .sa_handler = outer, .sa_flags = SA_ONSTACK }, c = { .sa_handler = inner };
  sigaction(SIGALRM, &a, 0); sigaction(SIGUSR1, &b, 0); sigaction(SIGUSR2, &c, 0);
  struct itimerval every = { { 0, 700 }, { 0, 700 } };
  setitimer(ITIMER_REAL, &every, 0);
  void *(*bodies[])(void *) = { vdso, nested, text, deeper, asleep };
  for (int i = 0; i < 5; i++) { pthread_t t; pthread_create(&t, 0, bodies[i], 0); }
  for (;;) deep(25, 0);
}`;

/** Compiled in `folder`, where the inputs of the others lie too. Programs that are not installed are left out. */
export function sampledPrograms(folder: string, chosen?: readonly string[]): SampledProgram[] {
  const input = join(folder, 'input');
  const lines = Array.from({ length: 400_000 }, (_, i) => `${(i * 7919) % 1000003} some text ${i}`);
  writeFileSync(input, lines.join('\n'));
  writeFileSync(join(folder, 'big.c'), bigSource());
  writeFileSync(
    join(folder, 'Makefile'),
    'n := $(shell seq 1 2000)\nx := $(foreach a,$(n),$(words $(foreach b,$(n),$(patsubst %1,%2,$(a)$(b)))))\nall:\n',
  );
  const rare = (name: string, flags: readonly string[]): SampledProgram => ({
    name,
    command: [compiled(folder, name, flags)],
  });
  const program = (name: string, args: readonly string[], settleMs = 300): SampledProgram[] => {
    const path = name.startsWith('/') ? name : onPath(name);
    return path === undefined ? [] : [{ name: name.split('/').at(-1)!, command: [path, ...args], settleMs }];
  };
  const cc1 = spawnSync('gcc', ['-print-prog-name=cc1'], { encoding: 'utf8' }).stdout.trim();
  const all = [
    rare('rare -O2', ['-O2']),
    rare('rare -O0', ['-O0']),
    rare('rare -O2 static stripped', ['-O2', '-static', '-s']),
    rare('rare -O3 stripped', ['-O3', '-fomit-frame-pointer', '-s']),
    ...program('python3', ['-c', PYTHON]),
    ...program('perl', ['-e', PERL]),
    ...program('bash', ['-c', BASH]),
    ...program('node', ['-e', NODE], 800),
    ...program('xz', ['-T2', '-9', '-k', '-c', '--block-size=4MiB', input], 100),
    ...program('sort', ['--parallel=2', '-k4', '-o', '/dev/null', ...new Array<string>(12).fill(input)], 100),
    ...program(cc1, ['-quiet', '-O2', join(folder, 'big.c'), '-o', '/dev/null'], 200),
    ...program('clang', ['-fintegrated-cc1', '-O2', '-c', join(folder, 'big.c'), '-o', '/dev/null'], 300),
    ...program('openssl', ['speed', '-seconds', '60', 'rsa2048', 'ecdsap256'], 200),
    ...program('make', ['-C', folder], 50),
    ...program(
      'gdb',
      ['-nx', '-batch', '-ex', 'python exec("while True: str(gdb.parse_and_eval(\'1+2\'))")'],
      500,
    ),
  ];
  return chosen === undefined ? all : all.filter(({ name }) => chosen.includes(name));
}

function compiled(folder: string, name: string, flags: readonly string[]): string {
  const output = join(folder, name.replaceAll(' ', ''));
  writeFileSync(`${output}.c`, RARE);
  execFileSync('gcc', [...flags, `${output}.c`, '-o', output, '-pthread', '-lm']);
  return output;
}

/** Enough work for a compiler to be looked at for a while. */
function bigSource(): string {
  const functions = Array.from(
    { length: 6000 },
    (_, i) => `
int f${i}(int a, int *p, const char *s) {
  int t = a;
  for (int i = 0; i < a; i++) { switch (s[i] & 15) { case 1: t += p[i]; break; case 2: t ^= i * ${i}; break; case 3: return t; default: p[i] = t; } }
  while (*s) { t = t * 31 + *s++; if (t > ${i * 3}) p[t & 7]++; }
  return t + ${i > 0 ? `f${i - 1}(t, p, s)` : '0'};
}`,
  );
  return functions.join('\n');
}
