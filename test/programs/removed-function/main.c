// about: a function that the fix removes together with its last caller's call
// matrix: -O0 | -O2 | clang -O2
// before: 2 | 4
// after: 1 | 2
// changed: show
#include <stdio.h>

__attribute__((noinline)) static int twice(int n) { return n * 2; } // before

__attribute__((noinline)) static void show(int n) {
  printf("%d\n", twice(n)); // before
  printf("%d\n", n);        // after
}

void call(int n) { show(n); }
