// about: code models: 64-bit addresses in the code and a table of offsets instead of addresses
// matrix: -O2 -mcmodel=large -fPIC -pie | -O2 -mcmodel=large -fno-pie -no-pie | -O2 -mcmodel=medium | -O0 -mcmodel=large -fno-pie -no-pie | clang -O2 -mcmodel=large -fno-pie -no-pie
// before: 1 of 10: one | 3 of 10: two
// after: 4 of 10: new one, 1 | 6 of 10: new two, 2
// reverted: 7 of 10: one
// changed: step
// unfit by aarch64 -fPIC: gcc has no large model there that is independent of its position
// unfit by aarch64 -mcmodel=medium: a model of x86
// matrix by aarch64: -O2 -mcmodel=tiny -fno-pie -no-pie | -O0 -mcmodel=tiny
#include <stdio.h>

static long total;
long limit = 10;
static int rounds; // after
static const char *const names[] = {"zero", "one", "two", "three"};

__attribute__((noinline)) static void step(int n) {
  total += n;
  printf("%ld of %ld: %s\n", total, limit, names[n & 3]); // before
  printf("%ld of %ld: new %s, %d\n", total, limit, names[n & 3], ++rounds); // after
}

void call(int n) { step(n); }
