// about: structures returned in registers and in memory, and passed on the stack
// matrix: -O0 | -O2 | clang -O2
// before: 1 2.0 1+9=10 | 2 4.0 2+18=20
// after: 11 3.0 2+9=11 | 12 6.0 4+18=22
// changed: make_large make_small
#include <stdio.h>

struct small {
  long whole;
  double real;
};
struct large {
  int values[10];
};

__attribute__((noinline)) static struct small make_small(int n) {
  return (struct small){n, 2.0 * n};      // before
  return (struct small){n + 10, 3.0 * n}; // after
}
__attribute__((noinline)) static struct large make_large(int n) {
  struct large result = {{n}};
  result.values[0] *= 2; // after
  result.values[9] = n * 9;
  return result;
}
__attribute__((noinline)) static int sum(struct large large) { return large.values[0] + large.values[9]; }

void call(int n) {
  struct small small = make_small(n);
  struct large large = make_large(n);
  printf("%ld %.1f %d+%d=%d\n", small.whole, small.real, large.values[0], large.values[9], sum(large));
}
