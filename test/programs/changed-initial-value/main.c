// about: a changed initial value of a variable that lives already
// matrix: -O0 | -O2 | clang -O2 | -g -O2 | clang -g -O2
// refused: limit
// refused by -g: initial value of limit[^}]*"where": "main.c:3"
#include <stdio.h>

static int limit = 10; // before
static int limit = 20; // after
void set_limit(int n) { limit = n; }

void call(int n) { printf("%d of %d\n", n, limit); }
