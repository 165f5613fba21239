// about: computed goto through a constant table of labels, and a switch turned into a constant table
// matrix: -O2 | -O0
// before: 3 11 | 4 22
// after: 103 44 | 104 22
// changed: look walk
#include <stdio.h>

__attribute__((noinline)) static int walk(int n) {
  static const void *const steps[] = {&&end, &&add, &&add};
  int sum = 0;
  goto *steps[n];
add:
  sum += n + 2;
  goto end;
end:
  return sum;       // before
  return sum + 100; // after
}
__attribute__((noinline)) static int look(int n) {
  switch (n) {
  case 0: return 7;
  case 1: return 11; // before
  case 1: return 44; // after
  case 2: return 22;
  case 3: return 33;
  case 4: return 91;
  }
  return 0;
}
void call(int n) {
  int a = walk(n);
  printf("%d %d\n", a, look(n));
}
