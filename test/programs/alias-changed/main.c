// about: a second name that becomes another function's: who is bound to it already stays with the old one
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// refused: entry was another name of first and is now one of second
#include <stdio.h>

__attribute__((noinline)) int first(int n) { return n + 1; }
__attribute__((noinline)) int second(int n) { return n + 2; }
int entry(int n) __attribute__((alias("first")));  // before
int entry(int n) __attribute__((alias("second"))); // after

void call(int n) { printf("%d\n", entry(n)); }
