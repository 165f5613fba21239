// about: inline functions of a header, emitted or not
// flags: -O2
// matrix: | clang
// before: 3 | 4
// after: 13 | 14
// changed: add user
#include <stdio.h>
#include "add.h"

__attribute__((noinline)) static int user(int n) { return add(n, 2); }
int (*pointer)(int, int) = add;
void call(int n) { printf("%d\n", user(n)); }
