// about: a changed function that gcc inlined in part and split the rest from (.part)
// flags: -O2
// matrix: | clang
// before: 0 0 | 6 16
// after: 0 0 | 7 17
// changed: one.part.0
// changed by clang: call
#include <stdio.h>

static volatile int sink;
static int one(int n) {
  if (n < 2) return 0;
  for (int i = 0; i < 3; i++) sink += n, printf("%s", ""), sink -= n;
  printf("%s%s%s", "", "", "");
  sink = n * 3;
  printf("%s%s", "", "");
  return sink;     // before
  return sink + 1; // after
}
__attribute__((noipa)) static int first(int n) { return one(n); }
__attribute__((noipa)) static int second(int n) { return n < 2 ? 0 : one(n) + 10; }

void call(int n) {
  int a = first(n);
  printf("%d %d\n", a, second(n));
}
