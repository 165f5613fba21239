/*
 * The target of the stop benchmark: N threads, two of them busy (fewer if N is smaller), the others asleep in
 * different calls. A busy thread watches the clock; the largest gap that it sees is the stop as the target feels it.
 *
 *   stop-target N      prints "ready PID", then for each line on standard input the largest gap in nanoseconds since
 *                      the line before, and the value of answer().
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static atomic_long largest_gap;

__attribute__((noinline)) int answer(int question) {
  static int asked;
  asked += question;
  return asked % 2 + 41;
}

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void *busy(void *unused) {
  (void)unused;
  for (long before = now();;) {
    long after = now(), gap = after - before;
    before = after;
    if (gap > atomic_load_explicit(&largest_gap, memory_order_relaxed)) atomic_store(&largest_gap, gap);
  }
  return NULL;
}

static void *asleep_in_poll(void *unused) {
  (void)unused;
  for (;;) poll(NULL, 0, -1);
  return NULL;
}

static void *asleep_in_read(void *unused) {
  int ends[2];
  char byte;
  (void)unused;
  if (pipe(ends)) exit(1);
  while (read(ends[0], &byte, 1) < 0) {}
  return NULL;
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static void *asleep_in_futex(void *unused) {
  (void)unused;
  pthread_mutex_lock(&held);
  return NULL;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  void *(*const sleepers[])(void *) = {asleep_in_poll, asleep_in_read, asleep_in_futex};
  char line[64];

  pthread_mutex_lock(&held);
  /* A pipe for each reader: 1000 threads need more descriptors than some limits allow, so few of them read. */
  for (int i = 1; i < threads; i++) {
    pthread_t thread;
    void *(*body)(void *) = i <= 2 ? busy : i < 100 ? sleepers[i % 3] : i % 2 ? asleep_in_futex : asleep_in_poll;
    if (pthread_create(&thread, NULL, body, NULL)) return 1;
  }
  printf("ready %d\n", (int)getpid());
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    printf("%ld %d\n", atomic_exchange(&largest_gap, 0), answer(1));
    fflush(stdout);
  }
  return 0;
}
