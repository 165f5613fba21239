// about: a changed size of a variable that lives already
// matrix: -O0 | -O2 | clang -O2
// refused: names
#include <stdio.h>

static char names[8];  // before
static char names[16]; // after
void set_name(int n, char c) { names[n] = c; }

void call(int n) { printf("%d %s %d\n", n, names, (int)sizeof names); }
