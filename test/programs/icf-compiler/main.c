// about: functions that the compiler found to be the same (-fipa-icf), of which the fix changes one
// matrix: -O2 | -O2 -fno-pie -no-pie | -Os -fipa-icf
// before: 6 6 10 | 9 9 15
// after: 6 13 10 | 9 19 15
// changed: double_of
// changed by aarch64 -Os: double_of call
#include <stdio.h>

__attribute__((noinline)) int triple_of(int n) { return n * 3 + 3; }
__attribute__((noinline)) int double_of(int n) {
  return n * 3 + 3; // before
  return n * 6 + 7; // after
}
int (*volatile const table[2])(int) = {triple_of, double_of};

void call(int n) {
  int one = triple_of(n), two = double_of(n);
  printf("%d %d %d\n", one, two, n * 5 + 5);
}
