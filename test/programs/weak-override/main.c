// about: a weak function that another file's strong one replaces: fixing the weak one changes nothing that runs
// matrix: -O0 | -O2
// before: 101 | 104
// after: 111 | 114
// changed: step
#include <stdio.h>
int step(int n);
void call(int n) { printf("%d\n", step(n)); }
