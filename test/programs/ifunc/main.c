// about: a changed implementation behind an indirect function
// matrix: -O2 | -O0 | -O2 -fno-pie -no-pie | clang -O0 | clang -O2
// before: 2 | 4
// after: 102 | 104
// changed: plain
// unfit by aarch64 clang -O0: GNU ld does not link what clang 14 makes of it
#include <stdio.h>

__attribute__((noipa)) static int plain(int n) {
  return n * 2;       // before
  return n * 2 + 100; // after
}
__attribute__((noipa)) static int fancy(int n) { return n * 3; }

static int (*choose(void))(int) { return puts == 0 ? fancy : plain; }
int chosen(int n) __attribute__((ifunc("choose")));

void call(int n) { printf("%d\n", chosen(n)); }
