// about: a variable of libc that the base does not use, loaded first: through the GOT, whatever the compiler wrote
// flags: clang -O2
// before: 1 | 2
// after: 1 yes | 2 yes
// changed: call
#include <stdio.h>
#include <unistd.h>

extern char **environ;
__attribute__((noipa)) static void show(int n) {
  printf("%d\n", n); // before
  printf("%d %s\n", n, environ ? "yes" : "no"); // after
}

void call(int n) { show(n); }
