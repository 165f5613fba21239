// about: a weak function that the fix makes strong: which definition counts was decided when the program was linked
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// refused: limit was weak and is (global|strong)
#include <stdio.h>

__attribute__((weak, noinline)) int limit(int n) { return n; } // before
__attribute__((noinline)) int limit(int n) { return n + 1; }   // after

void call(int n) { printf("%d\n", limit(n)); }
