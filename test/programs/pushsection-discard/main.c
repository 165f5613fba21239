// about: inline assembly that leaves notes in a section which no code reads
// matrix: -O0 | -O2
// before: 2 | 3
// after: 12 | 13
// changed: marked
#include <stdio.h>

__attribute__((noinline)) static int marked(int n) {
  __asm__ volatile("1:\n\t.pushsection .discard.marks,\"\"\n\t.quad 1b\n\t.popsection" ::"r"(n));
  return n + 1; // before
  return n + 11; // after
}

void call(int n) {
  printf("%d\n", marked(n));
}
