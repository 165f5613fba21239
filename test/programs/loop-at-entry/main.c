// about: a function whose entry is the target of its own loop
// matrix: -O2 | -Os | clang -O0 | clang -O2
// before: 1 | 3
// after: 11 | 13
// changed: drain
// changed by clang -O2: call
#include <stdio.h>

static volatile int left, total;
__attribute__((noipa)) static void drain(void) {
  do {
    total += left;
  } while (--left > 0);
  total += 10; // after
}

void call(int n) {
  total = 0;
  left = n;
  drain();
  printf("%d\n", total);
}
