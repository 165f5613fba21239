// about: new variables: with a value, zeroed, constant, and a table of pointers
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O2
// before: 1 | 2
// after: 1 8 1 one | 2 9 3 two
// reverted: 1 | 2
// changed: show
#include <stdio.h>

static int tickets = 7;                                            // after
static long total[100];                                            // after
static const char *const names[] = {"none", "one", "two"};         // after
int visible_elsewhere = 40;                                        // after

__attribute__((noinline)) static void show(int n) {
  printf("%d\n", n);                                               // before
  total[99] += n;                                                  // after
  printf("%d %d %ld %s\n", n, ++tickets, total[99], names[n]);     // after
  visible_elsewhere++;                                             // after
}

void call(int n) { show(n); }
