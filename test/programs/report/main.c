// about: a page for the reviewer, with the code of both versions side by side
// flags: -g -O2
// scenario: report.test.ts
#include <stdio.h>

__attribute__((noinline)) int scaled(int n) {
  return n * 3 + 1;   // before
  return n < 1000 ? n * 3 + 1 : 0; /* <b> & "quotes" */   // after
}

void call(int n) { printf("%d\n", scaled(n)); }
