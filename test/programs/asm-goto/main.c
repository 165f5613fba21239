// about: inline assembly that jumps to labels of C
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: odd | even | odd
// after: odd! | even! | odd!
// changed: parity
#include <stdio.h>

#ifdef __aarch64__
#define JUMP_IF_EVEN "tbz %w0, #0, %l1"
#else
#define JUMP_IF_EVEN "test $1, %0\n\tjz %l1"
#endif

__attribute__((noinline)) static const char *parity(int n) {
  __asm__ goto(JUMP_IF_EVEN : : "r"(n) : "cc" : even);
  return "odd";   // before
  return "odd!";  // after
even:
  return "even";  // before
  return "even!"; // after
}

void call(int n) { puts(parity(n)); }
