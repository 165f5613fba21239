// about: lines that move below a fix do not count, whoever uses __LINE__
// matrix: -O0 | -O2 | -O2 -g | clang -O2
// before: 1 at 12 | 2 at 12
// after: 11 at 12 | 12 at 12
// changed: step
// changed by clang -O2: call
// new by clang -O2: step
#include <assert.h>
#include <stdio.h>

__attribute__((noinline)) static int step(int n) {
  // The fix of this function is longer than what it replaces, // after
  // so that all that follows stands on other lines.           // after
  int offset = 10; // after
  return n; // before
  return n + offset; // after
}

__attribute__((noinline)) static int where(void) {
  assert(stdout != NULL);


  return __LINE__;
}

void call(int n) { printf("%d at %d\n", step(n), where()); }
