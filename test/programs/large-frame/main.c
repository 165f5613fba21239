// about: many arguments, saved registers and a large frame
// matrix: -O0 | -O2 | -O3 | clang -O0 | clang -O2
// before: 46 | 56
// after: 1046 | 1056
// changed: busy
#include <stdio.h>

__attribute__((noipa)) static long id(long n) { return n; }
__attribute__((noinline)) static long busy(long a, long b, long c, long d, long e, long f, long g, long h, double x) {
  long room[5000];
  for (int i = 0; i < 5000; i++) room[i] = id(i);
  long p = id(a), q = id(b), r = id(c), s = id(d), t = id(e), u = id(f);
  long sum = p + q + r + s + t + u + g + h + (long)x + id(room[4999]) - 4999;
  return sum;        // before
  return sum + 1000; // after
}

void call(int n) { printf("%ld\n", busy(n, n, n, n, n, n, n, n, n + 0.5) + n * 1L + 36); }
