// about: a function with a new signature that the program holds in a table: what calls through it changes with it
// matrix: -g -O0 | -g -O2
// before: 2 | 3
// after: 102 | 203
// changed: call step
#include <stdio.h>

__attribute__((noipa)) static int step(int n) { return n + 1; } // before
__attribute__((noipa)) static int step(int n, int times) { return n + 1 + 100 * times; } // after
static int (*volatile ops[])(int) = {step}; // before
static int (*volatile ops[])(int, int) = {step}; // after

void call(int n) {
  printf("%d\n", ops[0](n)); // before
  printf("%d\n", ops[0](n, n)); // after
}
