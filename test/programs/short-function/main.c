// about: a function shorter than a redirect, with padding behind it
// matrix: -O2 | -O2 -fno-pie -no-pie | -O3 | clang -O2
// before: 0 | 0
// after: 7 | 7
// changed: zero
// changed by clang: call
#include <stdio.h>

__attribute__((noipa)) static int zero(void) {
  return 0; // before
  return 7; // after
}
__attribute__((noipa)) static int one(void) { return 1; }

void call(int n) { printf("%d\n", n * one() > 0 ? zero() : 1); }
