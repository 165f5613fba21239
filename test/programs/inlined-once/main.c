// about: a static function that the fix stops from being inlined
// flags: -O2
// matrix: | clang
// before: 3 | 6
// after: 4 | 7
// changed: user
// new: step
#include <stdio.h>

static int step(int n) { return n * 3; } // before
__attribute__((noinline)) static int step(int n) { return n * 3 + 1; } // after

__attribute__((noinline)) static int user(int n) { return step(n); }

void call(int n) { printf("%d\n", user(n)); }
