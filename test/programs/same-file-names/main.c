// about: source files of the same name in two folders, with the same static names
// matrix: -O0 | -O2 | clang -O2
// before: 11 201 | 12 202
// after: 13 3203 | 14 3204
// reverted: 15 205
// changed: step
#include <stdio.h>

int one(void);
int two(void);
void call(int n) {
  n = one();
  printf("%d %d\n", n, two());
}
