// about: what bench/apply.ts patches
// before: 1
// after: 11
// changed: step
// flags: -O2
#include <stdio.h>

__attribute__((noinline)) static int step(int n) {
  return n; // before
  return n + 10; // after
}

void call(int n) { printf("%d\n", step(n)); }
