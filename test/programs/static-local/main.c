// about: static locals of a changed function keep their values
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 1 8 | 2 9
// after: 103 10 | 104 11
// reverted: 5 12
// changed: step
#include <stdio.h>

__attribute__((noinline)) static int step(int *other) {
  static int calls;
  static int tickets = 7;
  *other = ++tickets;
  return ++calls; // before
  return 100 + ++calls; // after
}

void call(int n) {
  int other;
  n = step(&other);
  printf("%d %d\n", n, other);
}
