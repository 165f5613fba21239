// about: a bit-field that becomes wider moves its neighbours
// matrix: -g -O2
// refused: layout of struct state
#include <stdio.h>

struct state {
  unsigned count : 5; // before
  unsigned count : 9; // after
  unsigned odd : 1;
};
static struct state state;
void call(int n) {
  state.count += n;
  state.odd ^= 1;
  printf("%d %d\n", state.count, state.odd);
}
