// about: one fix over two files, which also adds a function to one and calls it from the other
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 1 2 | 2 3
// after: 101 12 | 102 13
// changed: one two
// new: helper
// changed by clang -O2: call two
#include <stdio.h>
#include "parts.h"

__attribute__((noipa)) static int one(int n) {
  return n;         // before
  return helper(n); // after
}
void call(int n) { printf("%d %d\n", one(n), two(n)); }
