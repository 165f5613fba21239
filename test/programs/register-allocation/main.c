// about: callers that rely on which registers a changed function leaves alone (-fipa-ra)
// flags: -O2 -fipa-ra
// before: 7 | 12
// after: 1 7 | 2 12
// changed: leaf user
#include <stdio.h>

__attribute__((noinline)) static int leaf(int n) {
  printf("%d ", n); // after
  return n + 1;
}
__attribute__((noipa)) static int user(int a, int b, int c) {
  int x = leaf(a);
  return x + a + b * 2 + c;
}

void call(int n) { printf("%d\n", user(n, n, n + 2) - 1); }
