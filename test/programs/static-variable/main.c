// about: static variables of a file keep their values
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O2
// before: 1 of 100 | 2 of 100
// after: 12 of 101 | 22 of 102
// reverted: 23 of 102 | 24 of 102
// changed: step
#include <stdio.h>

static int count;
static int limit = 100;
void set_limit(int n) { limit = n; }

__attribute__((noinline)) static void step(void) {
  count++;     // before
  count += 10; // after
  limit++;     // after
  printf("%d of %d\n", count, limit);
}

void call(int n) { (void)n, step(); }
