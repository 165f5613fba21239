// about: several patches of one program, of one function too, reverted in any order
// flags: -O2
// scenario: patch-stack.test.ts
#include <stdio.h>

__attribute__((noipa)) static int first(int n) {
  return n;       // before
  return n + 100; // after
}
__attribute__((noipa)) static int second(int n) { return n * 2; }

void call(int n) {
  int a = first(n);
  printf("%d %d\n", a, second(n));
}
