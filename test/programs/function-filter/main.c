// about: --function leaves other changes of the fix out
// matrix: -O0 | -O2 | clang -O2
// option: --function first
// before: 1 2 | 2 4
// after: 11 2 | 12 4
// changed: first
// changed by clang: call second
// new by clang: first
// after by clang: 11 101 | 12 102
#include <stdio.h>

__attribute__((noinline)) static int first(int n) {
  return n;      // before
  return n + 10; // after
}
__attribute__((noinline)) static int second(int n) {
  return n * 2;   // before
  return n + 100; // after
}

void call(int n) {
  int a = first(n);
  printf("%d %d\n", a, second(n));
}
