// about: static functions and variables of the same name in two files
// matrix: -O0 | -O2 | clang -O2
// before: main 1 other 101 | main 2 other 102
// after: main 1003 other 103 | main 1004 other 104
// reverted: main 5 other 105
// changed: step
#include <stdio.h>

int other_step(void);
static int count = 0;

__attribute__((noinline)) static int step(void) {
  return ++count; // before
  return ++count + 1000; // after
}

void call(int n) {
  n = step();
  printf("main %d other %d\n", n, other_step());
}
