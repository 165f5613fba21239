// about: with and without a frame pointer
// matrix: -O2 -fno-omit-frame-pointer | -O2 -fomit-frame-pointer | -O0 -fomit-frame-pointer | -O2 -fno-asynchronous-unwind-tables | clang -O2 -fno-omit-frame-pointer | clang -O2 -fno-asynchronous-unwind-tables
// before: 7 | 14
// after: 8 | 15
// changed: compute
#include <stdio.h>

__attribute__((noipa)) static int add(int a, int b, int c, int d, int e, int f, int g) { return a + b + c + d + e + f + g; }
__attribute__((noinline)) static int compute(int n) {
  return add(n, n, n, n, n, n, n);     // before
  return add(n, n, n, n, n, n, n) + 1; // after
}

void call(int n) { printf("%d\n", compute(n)); }
