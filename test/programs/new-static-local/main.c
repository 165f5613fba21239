// about: a new static local starts fresh and keeps its value from call to call
// matrix: -O0 | -O2 | clang -O2
// before: 1 | 2
// after: 3 51 | 4 52
// reverted: 5
// changed: step
#include <stdio.h>

__attribute__((noinline)) static void step(void) {
  static int old;
  static int fresh = 50; // after
  printf("%d\n", ++old); // before
  printf("%d %d\n", ++old, ++fresh); // after
}

void call(int n) { (void)n, step(); }
