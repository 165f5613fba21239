// about: a changed function that was inlined brings its callers
// flags: -O2
// matrix: | clang
// before: 2 4 | 3 6
// after: 3 6 | 4 8
// changed: first second
#include <stdio.h>

static inline int step(int n) {
  return n + 1; // before
  return n + 2; // after
}
__attribute__((noinline)) static int first(int n) { return step(n); }
__attribute__((noinline)) static int second(int n) { return step(n) + step(n); }
__attribute__((noinline)) static void show(int a, int b) { printf("%d %d\n", a, b); }

void call(int n) { show(first(n), second(n)); }
