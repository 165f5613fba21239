// about: static functions
// matrix: -O0 | -O2 | clang -O2
// before: 10 | 20
// after: 11 | 21
// changed: scale
#include <stdio.h>

static int __attribute__((noinline)) scale(int n) {
  return n * 10;     // before
  return n * 10 + 1; // after
}

static int __attribute__((noinline)) twice(int n) { return scale(scale(n)) / scale(1); }

void call(int n) { printf("%d\n", twice(n) > 0 ? scale(n) : 0); }
