// about: --function leaves other changes of the fix out
// matrix: -O0 | -O2
// option: --function first
// before: 1 1 | 2 2
// after: 11 1 | 12 2
// changed: first
#include <stdio.h>

__attribute__((noinline)) static int first(int n) {
  return n;      // before
  return n + 10; // after
}
__attribute__((noinline)) static int second(int n) {
  return n;       // before
  return n + 100; // after
}

void call(int n) {
  int a = first(n);
  printf("%d %d\n", a, second(n));
}
