// about: a .cold part that the fix adds, and one that it takes away
// matrix: -O2 | -O3 | clang -O2
// before: 1 odd 1 | 2 even 2
// after: cold 1 odd 1 | 2 even 2
// changed: first second
#include <stdio.h>

__attribute__((cold, noipa)) static void warn(const char *text) { printf("%s ", text); }

__attribute__((noinline)) static void first(int n) {
  if (n == 1) warn("cold"); // after
  printf("%d\n", n);
}
__attribute__((noinline)) static void second(int n) {
  if (n & 1) warn("odd"); // before
  printf("%s", n & 1 ? "odd " : ""); // after
  if (!(n & 1)) printf("even ");
  printf("%d\n", n);
}

void call(int n) { first(n), second(n); }
