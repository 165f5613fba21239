// about: a signal handler that was installed before the patch
// flags: -O2
// matrix: | clang
// before: caught 1 | caught 2
// after: caught 103 | caught 104
// reverted: caught 5
// changed: handler
#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t caught;
static void handler(int signal) {
  caught += signal == SIGUSR1;
  caught += caught < 100 ? 100 : 0; // after
}

void call(int n) {
  static int ready;
  if (!ready) signal(SIGUSR1, handler), ready = 1;
  raise(SIGUSR1);
  n = caught;
  if (caught > 100) caught -= 100;
  printf("caught %d\n", n);
}
