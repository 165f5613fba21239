// about: a fix that adds a header with functions of its own
// matrix: -O0 | -O2 | clang -O2
// before: 1 | 2
// after: 3 | 6
// changed: show
// new: triple
#include <stdio.h>
#include "triple.h" // after

__attribute__((noinline)) static void show(int n) {
  printf("%d\n", n);         // before
  printf("%d\n", triple(n)); // after
}
void call(int n) { show(n); }
