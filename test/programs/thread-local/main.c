// about: thread-local variables that exist already
// matrix: -O2 | -O0 | -O2 -fno-pie -no-pie | -O2 -static | clang -O2 | clang -O2 -fno-pie -no-pie
// before: 1 8 | 2 9
// after: 13 10 | 24 11
// reverted: 25 12
// changed: step
#include <stdio.h>

static __thread int count;
__thread int tickets = 7;

__attribute__((noinline)) static void step(void) {
  count++;                             // before
  count += 11;                         // after
  printf("%d %d\n", count, ++tickets);
}

void call(int n) { (void)n, step(); }
