// about: a variable of libc that the base does not use, in an instruction other than a plain load, is refused
// flags: -O2
// before: 1 | 2
// refused to apply: environ
// changed: show
#include <stdio.h>
#include <unistd.h>

extern char **environ;
__attribute__((noipa)) static void show(int n) {
  printf("%d\n", n); // before
  printf("%d %s\n", n, environ ? "yes" : "no"); // after
}

void call(int n) { show(n); }
