// about: a changed function that has a second name
// matrix: -O0 | -O2 | clang -O2
// before: 2 2 | 3 3
// after: 12 12 | 13 13
// changed: step
// changed by clang -O2: call step
#include <stdio.h>

__attribute__((noipa)) int step(int n) {
  return n + 1;  // before
  return n + 11; // after
}
int second_name(int n) __attribute__((alias("step")));

void call(int n) {
  int one = step(n);
  printf("%d %d\n", one, second_name(n));
}
