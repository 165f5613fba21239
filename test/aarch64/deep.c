/* deep: four threads that recurse, sort with a function of their own, and are interrupted by signals whose handler calls. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static volatile long sink;

__attribute__((noinline)) static long leaf(long n) { return sink + n * 3; }

__attribute__((noinline)) static int compare(const void *a, const void *b) {
  return (int)(leaf(*(const int *)a) - leaf(*(const int *)b));
}

__attribute__((noinline)) static long recurse(int depth) {
  int numbers[24];
  if (depth == 0) {
    for (int i = 0; i < 24; i++) numbers[i] = (i * 7919) % 101;
    qsort(numbers, 24, sizeof *numbers, compare);
    return numbers[3];
  }
  long deeper = recurse(depth - 1);
  char *text = strdup("some text");
  deeper += (long)strlen(text);
  free(text);
  return deeper + leaf(depth);
}

__attribute__((noinline)) static void handler(int signal) { sink += leaf(signal) & 1; }

static void *work(void *depth) {
  for (;;) sink += recurse((int)(long)depth);
  return NULL;
}

int main(void) {
  pthread_t threads[3];
  struct itimerval often = {{0, 3000}, {0, 3000}};
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  for (long i = 0; i < 3; i++) pthread_create(&threads[i], NULL, work, (void *)(5 + 10 * i));
  setitimer(ITIMER_REAL, &often, NULL);
  puts("ready");
  fflush(stdout);
  work((void *)40L);
}
