// about: a changed constant whose address the program stored before: who reads through it reads the old content
// matrix: -O0 | -O2
// before: two | one one
// after: zwei! one | eins! one
// reverted: two one | one one
// changed: choose show
#include <stdio.h>

static const char *const names[] = {
  "one", "two", // before
  "eins", "zwei", // after
};
static const char *const *live;
__attribute__((noinline)) static void choose(int n) {
  if (n == 2 && live == NULL) live = names;
}
__attribute__((noinline)) static void show(int n) {
  printf("%s\n", names[n & 1]); // before
  printf("%s!\n", names[n & 1]); // after
}
void call(int n) {
  choose(n);
  show(n);
  if (live) puts(live[0]);
}
