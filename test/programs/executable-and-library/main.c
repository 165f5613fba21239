// about: one fix to an executable and its library, in one stop
// flags: -O2
// matrix: | -fno-pie -no-pie
// scenario: executable-and-library.test.ts
#include <stdio.h>
#include "protocol.h"

/* Both sides of the protocol change: an executable that met the other library would print "mismatch". */
__attribute__((noinline)) static int request(int n) {
  return respond(n, 1); // before
  return respond(n, 2); // after
}

void call(int n) {
  n = request(n);
  printf(n < 0 ? "mismatch\n" : "%d\n", n);
}
