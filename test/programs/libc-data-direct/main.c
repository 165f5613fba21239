// about: a variable of libc that the base does not use, in an instruction other than a plain load, is refused
// flags: -O2
// refused: environ is a variable of another library
// before by aarch64: 1 | 2
// after by aarch64: 1 yes | 2 yes
// changed by aarch64: show
#include <stdio.h>
#include <unistd.h>

extern char **environ;
__attribute__((noipa)) static void show(int n) {
  printf("%d\n", n); // before
  printf("%d %s\n", n, environ ? "yes" : "no"); // after
}

void call(int n) { show(n); }
