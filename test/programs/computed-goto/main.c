// about: computed goto through a table of labels
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O0 | clang -O2
// before: aab | baab
// after: aabz | baabz
// changed: interpret
#include <stdio.h>

__attribute__((noinline)) static void interpret(const char *program) {
  static const void *const labels[] = {&&do_a, &&do_b, &&end};
  goto *labels[*program++ - '0'];
do_a:
  putchar('a');
  goto *labels[*program++ - '0'];
do_b:
  putchar('b');
  goto *labels[*program++ - '0'];
end:
  putchar('z'); // after
  putchar('\n');
}

void call(int n) { interpret(n == 1 ? "0012" : "10012"); }
