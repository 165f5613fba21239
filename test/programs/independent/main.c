// about: patches that were built without knowing of each other: refused together when code of one calls what the other changes
// flags: -O2
// scenario: independent.test.ts
#include <stdio.h>

__attribute__((noinline)) static int scale(int n) {
  return n * 5 + 7; // before
  return n * 6 + 7; // after
}
__attribute__((noinline)) static int twice(int n) { return scale(n) + scale(n + 1); }
__attribute__((noinline)) static int other(int n) { return n * n + 3; }

void call(int n) {
  int a = twice(n);
  printf("%d %d\n", a, other(n));
}
