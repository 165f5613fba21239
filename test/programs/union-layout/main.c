// about: a union of which a member changes its type and its size
// matrix: -g -O0 | -g -O2
// refused: layout of union value
#include <stdio.h>

union value {
  int small; // before
  long small; // after
  char text[8];
};
static union value held;
__attribute__((noinline)) static int use(union value *v) { return (int)v->small; }

void call(int n) {
  held.small = n;
  printf("%d\n", use(&held));
}
