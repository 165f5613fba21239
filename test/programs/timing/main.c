// about: a process of one thread is held for under 2 ms, and apply takes under 0.4 s
// flags: -O2
// scenario: timing.test.ts
#include <stdio.h>

__attribute__((noinline)) static int step(int n) {
  return n; // before
  return n + 10; // after
}

void call(int n) { printf("%d\n", step(n)); }
