// about: a changed initial value of a variable that lives already
// matrix: -O0 | -O2 | clang -O2
// refused: limit
#include <stdio.h>

static int limit = 10; // before
static int limit = 20; // after
void set_limit(int n) { limit = n; }

void call(int n) { printf("%d of %d\n", n, limit); }
