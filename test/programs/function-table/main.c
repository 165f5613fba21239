// about: a function reached through tables filled in before the patch, and by libc
// matrix: -O0 | -O2 | clang -O2
// before: 1 2 3 x1 | 1 2 3 x2
// after: 3 2 1 y1 | 3 2 1 y2
// changed: compare show
#include <stdio.h>
#include <stdlib.h>

static int compare(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b; // before
  return *(const int *)b - *(const int *)a; // after
}
static void show(int n) {
  printf("x%d\n", n); // before
  printf("y%d\n", n); // after
}
struct operations {
  int (*compare)(const void *, const void *);
  void (*show)(int);
};
struct operations operations = {compare, show};

void call(int n) {
  int list[] = {2, 3, 1};
  qsort(list, 3, sizeof *list, operations.compare);
  printf("%d %d %d ", list[0], list[1], list[2]);
  operations.show(n);
}
