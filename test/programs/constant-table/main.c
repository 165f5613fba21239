// about: a constant table that only the changed function uses is taken along
// matrix: -O0 | -O2 | -O3 -fno-pie -no-pie | clang -O2
// before: 10 | 20
// after: 11 | 22
// changed: look_up
#include <stdio.h>

__attribute__((noinline)) static int look_up(int n) {
  static const int table[] = {0, 10, 20, 30}; // before
  static const int table[] = {0, 11, 22, 33, 44}; // after
  return table[n];
}

void call(int n) { printf("%d\n", look_up(n)); }
