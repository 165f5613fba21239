// about: weak functions, defined and not, changed and called
// matrix: -O0 | -O2 | clang -O2
// before: 2 | 3
// after: 12 absent | 13 absent
// changed: show step
#include <stdio.h>

extern int absent(int n) __attribute__((weak)); // after
__attribute__((weak)) int step(int n) {
  return n + 1; // before
  return n + 11; // after
}

__attribute__((noinline)) static void show(int n) {
  printf("%d\n", step(n)); // before
  printf("%d %s\n", step(n), absent ? "present" : "absent"); // after
}

void call(int n) { show(n); }
