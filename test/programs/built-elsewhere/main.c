// about: a stripped program from elsewhere: by its separate debug file, by a rebuild that is proven equal, or refused with what differs
// flags: -g -O2
// scenario: built-elsewhere.test.ts
#include <stdio.h>

static int total = 3;
__attribute__((noinline)) static int step(int n) {
  total += n;
  return total;       // before
  return total + 100; // after
}
__attribute__((noinline)) static int scale(int n) { return n * 5 + 7; }

void call(int n) {
  int a = step(n);
  printf("%d %d\n", a, scale(n));
}
