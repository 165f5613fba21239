// about: a function inside a function
// matrix: -O0 | -O2
// before: 3 | 6
// after: 13 | 26
// changed: scale.0
#include <stdio.h>

__attribute__((noipa)) static int outer(int n) {
  int factor = n;
  __attribute__((noipa)) int scale(int x) {
    return x * factor;               // before
    return x * factor + 10 * factor; // after
  }
  return scale(3);
}

void call(int n) { printf("%d\n", outer(n)); }
