// about: a changed function that gcc gave another signature (.isra)
// flags: -O2
// matrix: | clang
// before: 3 | 5
// after: 13 | 15
// changed: sum.isra.0
// changed by clang: sum
#include <stdio.h>

struct pair {
  int first, second, unused[8];
};
__attribute__((noinline)) static int sum(const struct pair *pair) {
  return pair->first + pair->second;      // before
  return pair->first + pair->second + 10; // after
}

void call(int n) {
  struct pair pair = {n, n + 1, {0}};
  __asm__ volatile("" : "+m"(pair));
  printf("%d\n", sum(&pair));
}
