// about: new functions, static and global, one calling the other
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O2
// before: 1 | 2
// after: <1> | <2>
// changed: show
// new: bracket opening
#include <stdio.h>

int opening(void);                                  // after
__attribute__((noinline)) static void bracket(int n) { // after
  printf("%c%d%c\n", opening(), n, '>');            // after
}                                                   // after
__attribute__((noinline)) int opening(void) {       // after
  return '<';                                       // after
}                                                   // after

__attribute__((noinline)) static void show(int n) {
  printf("%d\n", n); // before
  bracket(n);        // after
}

void call(int n) { show(n); }
