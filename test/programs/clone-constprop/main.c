// about: a changed function of which gcc made copies for constant arguments (.constprop)
// flags: -O3 -fno-inline
// matrix: | clang
// before: 11 21 1 | 22 42 4
// after: 12 22 2 | 23 43 5
// changed: mix mix.constprop.0 mix.constprop.1
// changed by clang: mix
#include <stdio.h>

static int mix(int n, int factor, int scale) {
  int result = 0;
  for (int i = 0; i < factor; i++) result += n * scale;
  if (scale > 1) return result; // never with these arguments
  return result;     // before
  return result + 1; // after
}

int ten(int n) { return mix(n, 11, 1); }
int twenty(int n) { return mix(n, 21, 1); }

void call(int n) {
  int a = ten(n), b = twenty(n);
  printf("%d %d %d\n", a, b, mix(n, n, n > 100 ? n : 1));
}
