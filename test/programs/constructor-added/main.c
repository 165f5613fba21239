// about: a constructor that the fix adds, which would never run
// matrix: -O0 | -O2 | clang -O0 | clang -O2 | -g -O2
// refused: init_array[^}]*"where": "main.c"
// refused by -g: init_array[^}]*"where": "main.c:4"
// nothing by clang -O2
#include <stdio.h>

static int ready;
__attribute__((constructor)) static void prepare(void) { ready = 1; } // after

void call(int n) {
  printf("%d\n", n); // before
  printf("%d\n", ready ? n : -n); // after
}
