// about: a static inline function of a header with a static local, copied into two units: each unit's own goes on
// matrix: -O0 | -O2
// before: 1 1 | 2 2
// after: 103 103 | 104 104
// reverted: 5 5
// changed: counted counted
#include <stdio.h>
#include "counted.h"
int second(int n);
void call(int n) { int a = counted(n); printf("%d %d\n", a, second(n)); }
