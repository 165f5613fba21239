// about: a changed resolver of an indirect function: its choice was made when the program was started
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// refused: the resolver of the indirect function shown is changed
#include <stdio.h>

static int plain(int n) { return n; }
static int scaled(int n) { return n * 10; }

typedef int chosen(int);
static chosen *choose(void) {
  return plain;  // before
  return scaled; // after
}
int shown(int n) __attribute__((ifunc("choose")));
chosen *const kept[] = {plain, scaled};

void call(int n) { printf("%d\n", shown(n)); }
