// about: a section for each function and variable, unused ones removed by the linker
// flags: -O2 -ffunction-sections -fdata-sections -Wl,--gc-sections
// matrix: | -fno-pie -no-pie | -fuse-ld=gold | clang
// before: 1 of 10 | 2 of 10
// after: 3 of 11 fresh | 4 of 12 fresh
// reverted: 5 of 12
// changed: step
#include <stdio.h>

static int count;
int limit = 10;
static const char *fresh = "fresh"; // after
int unused_table[100] = {1};
int unused(void) { return unused_table[5]; }

__attribute__((noinline)) static void step(void) {
  printf("%d of %d\n", ++count, limit); // before
  printf("%d of %d %s\n", ++count, ++limit, fresh); // after
  if (count > 100) fresh = "old"; // after
}

void call(int n) { (void)n, step(); }
