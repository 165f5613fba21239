// about: a function shorter than a redirect, with another function right behind it, is refused
// flags: -Os
// refused: zero.*(short|room|bytes)
// before by aarch64: 0 | 0
// after by aarch64: 7 | 7
// changed by aarch64: zero
#include <stdio.h>

__attribute__((noipa)) static int zero(void) {
  return 0; // before
  return 7; // after
}
__attribute__((noipa)) static int one(void) { return 1; }

void call(int n) { printf("%d\n", n * one() > 0 ? zero() : 1); }
