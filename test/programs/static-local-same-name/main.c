// about: a static local added beside one of the same name and value in the same function: which is which cannot be told
// matrix: -O0 | -O2 | clang -O2
// refused: count
#include <stdio.h>

__attribute__((noinline)) static int first(int n) {
  {                                   // after
    static int count;                 // after
    if (++count > 1000) return count; // after
  }                                   // after
  static int count;
  count += n;
  return count;       // before
  return count + 100; // after
}

void call(int n) { printf("%d\n", first(n)); }
