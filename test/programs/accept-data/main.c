// about: a changed initial value and a changed constant, accepted with --accept-data: live data stays as it is
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O2
// option: --accept-data limit --accept-data shared
// before: 3 of 10, 1 | 4 of 10, 2
// after: 13 of 10, 1 | 14 of 10, 2
// changed: show
#include <stdio.h>

int limit = 10; // before
int limit = 20; // after
extern const int shared[4];
const int shared[4] = {0, 0, 0, 1}; // before
const int shared[4] = {0, 0, 0, 7}; // after
void set_limit(int n) { limit = n; }

__attribute__((noinline)) void show(int n) {
  const int *volatile table = shared;
  printf("%d of %d, %d\n", n, limit, table[3] + n - 3);      // before
  printf("%d of %d, %d\n", n + 10, limit, table[3] + n - 3); // after
}
void call(int n) { show(n + 2); }
