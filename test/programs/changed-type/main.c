// about: variables that live already and become another type of the same size, found by debug information
// matrix: -g -O0 | -g -O2 | clang -g -O2 | clang -g -O0 -gdwarf-4
// refused: the type of (level changes from int to float|count in set_level changes)[^]*the type of (level|count in set_level) changes
#include <stdio.h>

static int level;   // before
static float level; // after

int set_level(int n) {
  static unsigned count;   // before
  static int count;        // after
  level += n;
  return --count < 3;
}

void call(int n) {
  int is_low = set_level(n);
  printf("%d %d\n", (int)level, is_low);
}
