// about: a function of a library that is not loaded is refused before anything is touched
// flags: -O2 -fno-builtin
// matrix: | clang
// before: 4 | 9
// refused to apply: cbrt
// changed: root
#include <math.h>
#include <stdio.h>

__attribute__((noinline)) static int root(int n) {
  return (n + 1) * (n + 1); // before
  return (int)cbrt(n * n * n); // after
}

void call(int n) { printf("%d\n", root(n)); }
