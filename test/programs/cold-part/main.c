// about: a changed function that gcc splits into a hot and a .cold part
// matrix: -O2 | -O3 | -O2 -fno-pie -no-pie | clang -O2
// before: 1 | 2: many, many! 4
// after: 1 | 2: many indeed, many indeed! 6
// changed: check
#include <stdio.h>

__attribute__((cold, noipa)) static int complain(int n, const char *text) {
  printf("%d: %s, ", n, text);
  return n;
}

__attribute__((noinline)) static int check(int n) {
  if (n > 1) {
    int times = complain(n, "many"); // before
    int times = complain(n, "many indeed") + 2; // after
    printf("many!\n"); // before
    printf("many indeed!\n"); // after
    return times + n;
  }
  return n;
}

void call(int n) { printf("%d\n", check(n)); }
