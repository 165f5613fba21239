// about: every optimization level of gcc
// matrix: -O0 | -O1 | -O2 | -O3 | -Os | clang -O0 | clang -O1 | clang -O2 | clang -O3 | clang -Os | clang -Oz
// before: 1 | 3 | 6
// after: 1 | 5 | 14
// changed: sum_to
#include <stdio.h>

__attribute__((noinline)) int sum_to(int n) {
  int sum = 0;
  for (int i = 1; i <= n; i++) sum += i;     // before
  for (int i = 1; i <= n; i++) sum += i * i; // after
  return sum;
}

void call(int n) { printf("%d\n", sum_to(n)); }
