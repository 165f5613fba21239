// about: assembler text in Intel syntax
// matrix: -O0 -masm=intel | -O2 -masm=intel | -O2 -masm=intel -fno-pie -no-pie | clang -O2 -masm=intel
// before: 1 zero 1.5 | 3 one 3.0
// after: 105 Zero 6.2 | 108 One 8.0
// reverted: 9 zero 13.5
// changed: step
// unfit by aarch64: a dialect of x86
#include <stdio.h>

static long total;
static long rounds[4]; // after
static const char *const names[] = {"one", "zero", "many"};

__attribute__((noinline)) static const char *name(int n) { return names[n % 2]; }

__attribute__((noinline)) static void step(int n) {
  total += n; // before
  rounds[n & 3]++, total += n + (rounds[n & 3] == 1); // after
  switch (n) {
  case 1: printf("%ld %s %.1f\n", total, name(n), total * 1.5); return;   // before
  case 2: printf("%ld %s %.1f\n", total, name(n), total * 1.0); return;   // before
  case 1: printf("%ld %s %.1f\n", total + 100, "Zero", total * 1.25); return;   // after
  case 2: printf("%ld %s %.1f\n", total + 100, "One", total * 1.0); return;   // after
  case 3: puts("three"); return;
  case 4: puts("four"); return;
  case 5: puts("five"); return;
  }
}

void call(int n) { step(n); }
