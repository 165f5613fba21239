// about: constants of float, double, long double and vectors
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O0 | clang -O2
// before: 0.50 1.25 3.00 10 | 1.00 2.50 6.00 10
// after: 0.75 1.75 5.00 26 | 1.50 3.50 10.00 26
// changed: four_sum halve long_scale scale
// changed by clang -O2: call halve long_scale scale
#include <stdio.h>

typedef int four __attribute__((vector_size(16)));

__attribute__((noinline)) static float halve(float x) {
  return x * 0.5f;  // before
  return x * 0.75f; // after
}
__attribute__((noinline)) static double scale(double x) {
  return x * 1.25; // before
  return x * 1.75; // after
}
__attribute__((noinline)) static long double long_scale(long double x) {
  return x * 3.0L; // before
  return x * 5.0L; // after
}
__attribute__((noipa)) static int four_sum(four v) {
  v = v * (four){1, 2, 3, 4}; // before
  v = v * (four){5, 6, 7, 8}; // after
  return v[0] + v[1] + v[2] + v[3];
}

void call(int n) {
  four ones = {1, 1, 1, 1};
  printf("%.2f %.2f %.2Lf %d\n", (double)halve((float)n), scale(n), long_scale(n), four_sum(ones));
}
