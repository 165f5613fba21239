// about: a new thread-local variable in C
// matrix: -O0 | -O2
// refused: thread-local|thread_local
#include <stdio.h>

static __thread int count;
static __thread int more = 5; // after
__attribute__((noinline)) static void step(void) {
  count++;
  count += more++; // after
  printf("%d\n", count);
}
void call(int n) { (void)n, step(); }
