// about: bit-fields of live data, read and written by changed code
// matrix: -g -O0 | -g -O2
// before: 1 1 0 | 2 0 0
// after: 3 1 7 | 4 0 7
// reverted: 5 1 7
// changed: step
#include <stdio.h>

static struct { unsigned count : 5, odd : 1; signed mode : 10; } state;
__attribute__((noipa)) static void step(int n) {
  (void)n;
  state.count++;
  state.mode = 7; // after
  state.odd = state.count & 1;
}
void call(int n) {
  step(n);
  printf("%d %d %d\n", state.count, state.odd, state.mode);
}
