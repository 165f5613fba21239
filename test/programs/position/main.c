// about: position-independent and fixed executables, dynamic, static and static-pie
// flags: -O2
// matrix: -fPIE -pie | -fno-pie -no-pie | -O0 -fno-pie -no-pie | -fPIC -pie | -static | -static-pie -fPIE | clang -fPIE -pie | clang -O0 -fno-pie -no-pie | clang -static-pie -fPIE
// before: 1 of 2: one | 2 of 4: two
// after: 1 of 3: one | 2 of 5: two
// changed: describe
#include <stdio.h>

int total;
static const char *const names[] = {"none", "one", "two"};

__attribute__((noinline)) static void describe(int n) {
  total = n + n;     // before
  total = n * 2 + 1; // after
  printf("%d of %d: %s\n", n, total, names[n]);
}

void call(int n) { describe(n); }
