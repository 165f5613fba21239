// about: a header that reaches several files
// matrix: -O0 | -O2 | clang -O2
// before: 11 21 | 12 22
// after: 111 121 | 112 122
// changed: one two
#include <stdio.h>
#include "shared.h"

int two(int n);
__attribute__((noinline)) static int one(int n) { return BASE + 10 + n; }
void call(int n) { printf("%d %d\n", one(n), two(n)); }
