// about: constant tables of functions, of which one entry is another function after the fix
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie
// before: 2 3 | 4 6
// after: 2 1 | 4 4
// changed: run
// new: square
#include <stdio.h>

static int twice(int n) { return 2 * n; }
static int thrice(int n) { return 3 * n; }
static int square(int n) { return n * n; } // after
__attribute__((noipa)) static int run(int which, int n) {
  static int (*const ops[])(int) = {
    twice,
    thrice, // before
    square, // after
  };
  return ops[which](n);
}
void call(int n) {
  int a = run(0, n);
  printf("%d %d\n", a, run(1, n));
}
