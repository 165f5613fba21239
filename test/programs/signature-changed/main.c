// about: a function that gains a parameter: every caller is in the fix and in the patch
// matrix: -g -O0 | -g -O2
// before: 2 | 3
// after: 102 | 203
// changed: call step
#include <stdio.h>

__attribute__((noipa)) static int step(int n) { return n + 1; } // before
__attribute__((noipa)) static int step(int n, int times) { return n + 1 + 100 * times; } // after

void call(int n) {
  printf("%d\n", step(n)); // before
  printf("%d\n", step(n, n)); // after
}
