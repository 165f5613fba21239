// about: a program with threads that run, sleep and wait while it is patched
// flags: -O2 -pthread
// matrix: | clang
// before: 1 6 | 2 6
// after: 11 6 | 12 6
// changed: step
// changed by clang: call
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int running, busy;
__attribute__((noipa)) static int step(int n) {
  return n;      // before
  return n + 10; // after
}
static void *sleeper(void *seconds) {
  __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
  for (;;) sleep((unsigned)(long)seconds);
}
static void *waiter(void *unused) {
  __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_lock(&lock);
  return unused;
}
static void *runner(void *unused) {
  __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
  for (;;) busy++, usleep(100);
  return unused;
}

void call(int n) {
  if (!running) {
    pthread_t thread;
    pthread_mutex_lock(&lock);
    for (long i = 0; i < 6; i++)
      pthread_create(&thread, NULL, i < 2 ? sleeper : i < 4 ? waiter : runner, (void *)1000);
    while (running < 6) usleep(1000);
  }
  printf("%d %d\n", step(n), running);
}
