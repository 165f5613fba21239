// about: a variable of libc that the base does not use, in an instruction other than a plain load, is refused
// flags: -O2
// matrix: | clang
// before: 1 | 2
// refused to apply: environ
// changed: show
// changed by clang: call
// after by clang: 1 yes | 2 yes
#include <stdio.h>
#include <unistd.h>

extern char **environ;
__attribute__((noipa)) static void show(int n) {
  printf("%d\n", n); // before
  printf("%d %s\n", n, environ ? "yes" : "no"); // after
}

void call(int n) { show(n); }
