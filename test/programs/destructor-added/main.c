// about: a function to be run at the program's end that the fix adds: nothing would run it
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// refused: fini_array
#include <stdio.h>

static int calls;
__attribute__((destructor)) static void finish(void) { printf("%d calls\n", calls); } // after

void call(int n) {
  calls++;
  printf("%d\n", n);
}
