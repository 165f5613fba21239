// about: recursive and mutually recursive functions
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 1 3 | 2 3 | 6 5
// after: 2 12 | 4 21 | 12 32
// changed: factorial ping pong
// changed by clang -O2: factorial ping
#include <stdio.h>

static int pong(int n);
__attribute__((noinline)) static int factorial(int n) {
  return n <= 1 ? 1 : n * factorial(n - 1); // before
  return n <= 1 ? 2 : n * factorial(n - 1); // after
}
__attribute__((noipa)) static int ping(int n) {
  return n == 0 ? 1 : pong(n - 1) + 1;  // before
  return n == 0 ? 1 : pong(n - 1) + 10; // after
}
__attribute__((noipa)) static int pong(int n) {
  return n == 0 ? 2 : ping(n - 1) + 1;  // before
  return n == 0 ? 2 : ping(n - 1) + 10; // after
}

void call(int n) { printf("%d %d\n", factorial(n), ping(n)); }
