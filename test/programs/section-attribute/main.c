// about: functions and variables in sections of their own by attribute
// matrix: -O0 | -O2 | clang -O2
// before: 1 501 | 2 502
// after: 11 503 | 12 504
// reverted: 1 505
// changed: step
// changed by clang -O2: call step
#include <stdio.h>

__attribute__((section(".data.counters"))) static int counter = 500;
__attribute__((noinline, section(".text.special"))) static int step(int n) {
  ++counter;
  return n;      // before
  return n + 10; // after
}

void call(int n) {
  n = step(n);
  printf("%d %d\n", n, counter);
}
