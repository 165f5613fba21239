// about: the linkers bfd, gold and lld, for dynamic and static executables
// flags: -O2
// matrix: -fuse-ld=bfd | -fuse-ld=gold | -fuse-ld=lld -Wl,--build-id | -fuse-ld=lld -Wl,--build-id -fno-pie -no-pie | -fuse-ld=lld -Wl,--build-id -Wl,--icf=all,--gc-sections -ffunction-sections | -fuse-ld=gold -static | -fuse-ld=lld -Wl,--build-id -static | -fuse-ld=lld -Wl,--build-id -static-pie -fPIE | clang -fuse-ld=lld -Wl,--build-id | clang -fuse-ld=gold -Wl,--build-id
// before: 1 one 1 | 2 two 3
// after: 1 ONE 4 1 | 2 TWO 6 2
// reverted: 1 one 7
// changed: step
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static __thread int mine;
long total;
static const char *const names[] = {"zero", "one", "two", "three"};

__attribute__((noinline)) static void step(int n) {
  static int rounds; // after
  char line[16];
  total += n, mine += n;
  strcpy(line, names[n & 3]);
  printf("%d %s %ld\n", n, line, (total + mine) / 2); // before
  for (char *c = line; *c; c++) *c = (char)toupper(*c); // after
  printf("%d %s %ld %d\n", n, line, (total + mine) / 2, ++rounds); // after
}

void call(int n) { step(n); }
