// about: a changed string takes along its users and nothing else
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: old 1 kept | old 2 kept
// after: new 1 kept | new 2 kept
// changed: label
// changed by clang -O2: call
#include <stdio.h>

__attribute__((noinline)) static const char *label(void) {
  return "old"; // before
  return "new"; // after
}
__attribute__((noinline)) static const char *other(void) { return "kept"; }

void call(int n) { printf("%s %d %s\n", label(), n, other()); }
