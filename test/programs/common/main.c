// about: common symbols
// flags: -fcommon
// matrix: -O0 | -O2 | clang -O2
// before: 1 1 | 2 3
// after: 3 113 | 4 133
// reverted: 5 34
// changed: step
#include <stdio.h>

int count, total;

__attribute__((noinline)) static void step(int n) {
  count++;
  total += n;           // before
  total += 10 * n;      // after
  printf("%d ", count);
  printf("%d\n", total); // before
  printf("%d\n", total + 100); // after
}

void call(int n) { step(n); }
