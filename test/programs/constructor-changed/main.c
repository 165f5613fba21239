// about: a changed constructor, which has run already when the patch comes
// matrix: -O0 | -O2
// refused: prepare is changed, but it ran when the program was started
#include <stdio.h>

static int ready;
__attribute__((constructor)) static void prepare(void) {
  ready = 1; // before
  ready = 2; // after
}

void call(int n) { printf("%d\n", ready + n); }
