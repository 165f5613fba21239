// about: check shows the plan and changes nothing
// flags: -O2
// scenario: check.test.ts
#include <stdio.h>

__attribute__((noinline)) static int step(int n) {
  return n; // before
  return n + 10; // after
}

void call(int n) { printf("%d\n", step(n)); }
