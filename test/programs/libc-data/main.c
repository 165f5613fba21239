// about: data of libc: stdout, stderr, environ, optind, also where the executable holds a copy
// matrix: -O2 | -O0 | -O2 -fno-pie -no-pie | -O2 -fno-plt | clang -O0 | clang -O2
// before: 1 | 1
// after: yes 1 1 | yes 2 2
// reverted: 2
// changed: show
// changed by clang -O2: call
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

__attribute__((noipa)) static void show(int n) {
  fprintf(stdout, "%d\n", optind); // before
  optind = n;                                                                // after
  fprintf(stdout, "%s %d ", environ[0] ? "yes" : "no", optind);              // after
  fflush(stderr);                                                            // after
  fprintf(stdout, "%d\n", n);                                                // after
}

void call(int n) { show(n); }
