// about: a function of a shared library, in all processes that use it, with --all
// flags: -O2 -fPIC
// matrix: | -fno-plt -Wl,-z,now | -O0 -fvisibility=hidden
// scenario: library.test.ts
#include <stdio.h>
#include "counter.h"

void call(int n) {
  n = count_up(n);
  printf("%d of %d\n", n, limit);
}
