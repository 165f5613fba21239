// about: a private constant table of strings and functions
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O2
// before: one=-1 | two=4
// after: uno=-1 | dos=104
// changed: show
// new: hundred
#include <stdio.h>

static int negate(int n) { return -n; }
static int twice(int n) { return n + n; }
static int hundred(int n) { return 100 + n + n; } // after

__attribute__((noinline)) static void show(int n) {
  static const struct {
    const char *name;
    int (*apply)(int);
  } table[] = {
      {"one", negate}, {"two", twice}, // before
      {"uno", negate}, {"dos", hundred}, {"", twice}, // after
  };
  printf("%s=%d\n", table[n - 1].name, table[n - 1].apply(n));
}

void call(int n) { show(n); }
