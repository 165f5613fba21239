// about: tail calls into, out of and past a changed function
// flags: -O2
// matrix: | clang
// before: 11 | 12
// after: 21 | 22
// changed: middle
// changed by clang: call
#include <stdio.h>

__attribute__((noipa)) static int last(int n) { return n + 1; }
__attribute__((noipa)) static int middle(int n) {
  return last(n + 9);  // before
  return last(n + 19); // after
}
__attribute__((noipa)) static int first(int n) { return middle(n); }

void call(int n) { printf("%d\n", first(n)); }
