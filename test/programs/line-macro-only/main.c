// about: a fix that only moves functions that use __LINE__ changes nothing
// matrix: -O0 | -O2 -g | clang -O2
// nothing
#include <assert.h>
#include <stdio.h>

// One more line of explanation, // after
// and another.                  // after
__attribute__((noinline)) static int where(int n) {
  assert(n > 0);
  return __LINE__;
}

void call(int n) { printf("%d\n", where(n)); }
