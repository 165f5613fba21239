// about: what patched.test.ts looks at: a thread that sleeps in a new function that a patched one calls
// before: 1
// after: 11
// changed: outer
// flags: -O2 -pthread
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile int inside, leave;

static __attribute__((noipa)) int added(int n) {               // after
  if (n != 100) return n + 10;                                 // after
  for (inside = 1; !leave;) usleep(1000);                      // after
  return 0;                                                    // after
}                                                              // after

static __attribute__((noipa)) int outer(int n) {
  return n;            // before
  n = added(n);            // after
  return n + (inside > 1); // after
}

static void *server(void *unused) {
  outer(100);
  inside = 0;
  return unused;
}

/* 100: a thread enters outer and stays; 101: it leaves. */
void call(int n) {
  pthread_t thread;
  if (n == 100) {
    pthread_create(&thread, NULL, server, NULL);
    while (!inside) usleep(1000);
  } else if (n == 101) {
    leave = 1;
    while (inside) usleep(1000);
  }
  printf("%d\n", n < 100 ? outer(n) : n);
}
