// about: functions and variables of the executable's other files
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | -O2 -fPIC -pie | clang -O2
// before: 1 | 2
// after: 6 shared 2 | 7 shared 3
// reverted: 1
// changed: show
#include <stdio.h>
#include "other.h"

__attribute__((noinline)) static void show(int n) {
  printf("%d\n", n); // before
  printf("%d %s %d\n", add_five(n), shared_name, ++shared_count); // after
}

void call(int n) { show(n); }
