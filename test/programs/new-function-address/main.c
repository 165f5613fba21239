// about: a new function whose address is taken and given to libc
// matrix: -O0 | -O2 | clang -O2
// before: 3 1 2 | 3 1 2
// after: 1 2 3 | 1 2 3
// changed: order
// new: compare
// changed by clang -O2: call
#include <stdio.h>
#include <stdlib.h>

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; } // after

__attribute__((noipa)) static void order(int *list, int length) {
  qsort(list, (size_t)length, sizeof *list, compare); // after
  for (int i = 0; i < length; i++) printf(i ? " %d" : "%d", list[i]);
  puts("");
}

void call(int n) {
  int list[] = {3, 1, 2};
  order(list, n > 0 ? 3 : 0);
}
