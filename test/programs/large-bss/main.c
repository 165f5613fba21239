// about: a large new variable without a value
// matrix: -O2 | -O0 | clang -O2
// before: 1 | 2
// after: 1 1 | 2 3
// reverted: 1
// changed: show
#include <stdio.h>

static char room[64 << 20]; // after

__attribute__((noinline)) static void show(int n) {
  printf("%d\n", n); // before
  room[sizeof room - 1] += (char)n;              // after
  printf("%d %d\n", n, room[sizeof room - 1]);   // after
}

void call(int n) { show(n); }
