// about: a thread asleep in a caller or a callee of the changed function is no obstacle, and goes on where it was
// flags: -pthread
// matrix: -O2 | -O0
// scenario: asleep.test.ts
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile int asleep, wake, served;

__attribute__((noipa)) static int serve(int n) {
  return n;      // before
  return n + 10; // after
}
__attribute__((noipa)) static void rest(void) {
  for (asleep = 1; !wake;) usleep(1000);
}

/* A caller of serve, which waits between two calls of it. */
static void *server(void *unused) {
  int first = serve(1);
  rest();
  served = 100 * first + serve(2);
  asleep = 0;
  return unused;
}

/* 100: the thread calls serve(1) and sleeps; 101: it wakes and calls serve(2). */
void call(int n) {
  pthread_t thread;
  if (n == 100) {
    wake = served = 0;
    pthread_create(&thread, NULL, server, NULL);
    while (!asleep) usleep(1000);
  } else if (n == 101) {
    wake = 1;
    while (asleep) usleep(1000);
  }
  printf("%d\n", n == 101 ? served : serve(n));
}
