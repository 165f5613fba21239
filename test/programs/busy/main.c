// about: a function that a thread is in is not patched: exit 4 names it; once it has returned, it is
// flags: -O2 -pthread
// scenario: busy.test.ts
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile int inside, leave;

__attribute__((noipa)) static int serve(int n) {
  if (n == 100)
    for (inside = 1; !leave;) usleep(1000);
  return n;      // before
  return n + 10; // after
}

static void *server(void *unused) {
  serve(100);
  inside = 0;
  return unused;
}

/* 100: a thread enters serve and stays; 101: it leaves. */
void call(int n) {
  pthread_t thread;
  if (n == 100) {
    pthread_create(&thread, NULL, server, NULL);
    while (!inside) usleep(1000);
  } else if (n == 101) {
    leave = 1;
    while (inside) usleep(1000);
  }
  printf("%d\n", n < 100 ? serve(n) : n);
}
