// about: enumerators that the fix gives other numbers: live data means others by its old ones
// matrix: -g -O0 | -g -O2
// refused: layout of enum kind[^}]*"where": "main.c:3"
#include <stdio.h>

enum kind {
  ROUND, // after
  PLAIN,
  FANCY,
};
static enum kind held;
__attribute__((noipa)) static enum kind kind(int n) { return n > 1 ? FANCY : PLAIN; }

void call(int n) {
  if (n == 1) held = PLAIN;
  printf("%d %d\n", held == PLAIN, kind(n));
}
