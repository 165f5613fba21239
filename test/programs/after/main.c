// about: a fix built after an earlier one (--after): it uses functions and variables that the earlier one introduced
// scenario: after.test.ts
#include <stdio.h>

static int total;
static int capped;                     // after
static int seen = 40;                  // after
static const int caps[2] = {7, 9};     // after
                                       // after
__attribute__((noinline)) static int cap(int n) { // after
  if (n <= caps[n & 1]) return n;      // after
  capped++;                            // after
  return caps[n & 1];                  // after
}                                      // after
__attribute__((noinline)) static int first(int n) {
  static int calls = 100;
  calls++;
  total += n;      // before
  total += cap(n); // after
  seen++;          // after
  return n + calls;
}
__attribute__((noinline)) static int second(int n) {
  return n * 2;
}

void call(int n) {
  int a = first(n);
  printf("%d %d %d\n", a, second(n), total);
}
