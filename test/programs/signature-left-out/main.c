// about: --function that takes a function with a new signature and leaves its callers with the old one
// matrix: -g -O0 | -g -O2
// option: --function step
// refused: call, which uses it, is left out
#include <stdio.h>

int step(int n); // before
int step(int n, int times); // after

void call(int n) {
  printf("%d\n", step(n)); // before
  printf("%d\n", step(n, n)); // after
}
