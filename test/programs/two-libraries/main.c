// about: one fix to two libraries and the executable, in one stop, taken back by one revert
// matrix: -O2 | -O2 -fno-pie -no-pie | clang -O2
// scenario: two-libraries.test.ts
#include <stdio.h>
#include "parts.h"

/* Each part tells its version in a digit: a mixture would show. */
__attribute__((noinline)) static int join(int n) {
  return 100 + encode(n); // before
  return 200 + encode(n); // after
}

void call(int n) { printf("%d\n", join(n)); }
