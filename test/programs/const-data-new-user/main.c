// about: an existing constant that a changed function begins to use
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O2
// before: 1 10 | 2 20
// after: 11 10 | 22 20
// changed: first
// changed by aarch64 -O2 -mbranch-protection=standard: call first
// changed by clang -O2: call
// new by clang -O2: first
#include <stdio.h>

static const int tens[] = {0, 10, 20};
const char greeting[] = "hello";

__attribute__((noinline)) static int second(int n) { return tens[n]; }
__attribute__((noinline)) static int first(int n) {
  return n; // before
  return n + tens[n] + (greeting[0] != 'h'); // after
}

void call(int n) {
  int a = first(n);
  printf("%d %d\n", a, second(n));
}
