// about: constants that the compiler names by number: switch tables, function names, compound literals, floats
// matrix: -O2 | -O0 | -O2 -fno-pie -no-pie
// before: 30 second 12 1.5 | 50 second 23 3.0
// after: 7 first 30 second 12 1.5 | 7 first 50 second 23 3.0
// changed: first
#include <stdio.h>

__attribute__((noipa)) static void first(int n) {
  if (n > 100) puts("no"); // before
  static const int sevens[] = {7, 7, 7, 7, 77}; // after
  printf("%d %s ", sevens[n & 3], __func__);  // after
}
__attribute__((noipa)) static int chosen(int n) {
  switch (n) {
  case 0: return 20;
  case 1: return 30;
  case 2: return 50;
  case 3: return 70;
  case 4: return 110;
  }
  return 0;
}
__attribute__((noipa)) static int literal(int n) {
  int *p = (int[]){1, 12, 23, 34};
  return p[n];
}
__attribute__((noipa)) static const char *second(void) { return __func__; }
__attribute__((noipa)) static double scaled(int n) { return n * 1.5; }

void call(int n) {
  first(n);
  printf("%d %s %d %.1f\n", chosen(n), second(), literal(n), scaled(n));
}
