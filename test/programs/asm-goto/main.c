// about: inline assembly that jumps to labels of C
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: odd | even | odd
// after: odd! | even! | odd!
// changed: parity
#include <stdio.h>

__attribute__((noinline)) static const char *parity(int n) {
  __asm__ goto("test $1, %0\n\tjz %l1" : : "r"(n) : "cc" : even);
  return "odd";   // before
  return "odd!";  // after
even:
  return "even";  // before
  return "even!"; // after
}

void call(int n) { puts(parity(n)); }
