// about: three fixes, each built after the one before (--after): the third uses and changes what the first two brought
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O2
// scenario: after-chain.test.ts
#include <stdio.h>
#include "all.h"

static int total;
__attribute__((noinline)) static int first(int n) {
  return total += n;
}
__attribute__((noinline)) static int second(int n) {
  return n * 2;
}
__attribute__((noinline)) static int third(int n) {
  return n + 5;
}

void call(int n) {
  int a = first(n), b = second(n), c = third(n);
  printf("%d %d %d %d\n", a, b, c, other(n));
}
