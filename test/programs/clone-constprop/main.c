// about: a changed function of which gcc made copies for constant arguments (.constprop)
// flags: -O2 -fno-partial-inlining
// before: 17 24 | 27 44
// after: 18 25 | 28 45
// changed: mix.constprop.0 mix.constprop.1
#include <stdio.h>

__attribute__((noinline)) static int mix(int n, int factor, int offset) {
  int result = 0;
  for (int i = 0; i < factor; i++) result += n + (i & 0);
  if (offset > 100) printf("%d\n", offset);
  return result + offset;     // before
  return result + offset + 1; // after
}

__attribute__((noipa)) static int ten(int n) { return mix(n, 10, 7); }
__attribute__((noipa)) static int twenty(int n) { return mix(n, 20, 4); }

void call(int n) {
  int a = ten(n), b = twenty(n);
  printf("%d %d\n", a, b);
}
