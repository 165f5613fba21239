// about: a string added at the top renumbers all others, whose users do not change
// matrix: -O0 | -O2 | clang -O2
// before: a1 b1 | a2 b2
// after: extra a1 b1 | extra a2 b2
// changed: first
#include <stdio.h>

__attribute__((noinline)) static void first(int n) {
  printf("extra "); // after
  printf("a%d ", n);
}
__attribute__((noinline)) static void second(int n) { printf("b%d", n); }
__attribute__((noinline)) static void third(void) { printf("\n"), fputs("", stdout); }

void call(int n) { first(n), second(n), third(); }
