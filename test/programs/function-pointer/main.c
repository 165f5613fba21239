// about: a patched function's address stays the one that the program holds
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O2
// before: 2 same | 3 same
// after: 12 same | 13 same
// changed: step
#include <stdio.h>

int step(int n);
static int (*volatile held)(int);

__attribute__((noipa)) int step(int n) {
  return n + 1;                                // before
  return held == step ? n + 11 : n + 1000; // after
}

void call(int n) {
  if (!held) held = step;
  n = held(n);
  printf("%d %s\n", n, held == step ? "same" : "different");
}
