// about: a static local added before another of the same name
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 1 1 | 3 2
// after: 104 3 | 106 4
// reverted: 7 5
// changed: first
#include <stdio.h>

__attribute__((noinline)) static int first(int n) {
  {                                   // after
    static int count = 50;            // after
    if (++count > 1000) return count; // after
  }                                   // after
  static int count;
  count += n;
  return count;       // before
  return count + 100; // after
}

__attribute__((noinline)) static int second(void) {
  static int count;
  return ++count;
}

void call(int n) {
  n = first(n);
  printf("%d %d\n", n, second());
}
