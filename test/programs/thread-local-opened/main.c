// about: thread-local variables of a library that is opened later, too large for room that all threads have
// matrix: -O2 -fPIC -ftls-model=global-dynamic | -O2 -fPIC -ftls-model=local-dynamic | -O2 -fPIC -mtls-dialect=gnu2 -ftls-model=global-dynamic | -O2 -fPIC -mtls-dialect=gnu2 -ftls-model=local-dynamic | -O0 -fPIC -mtls-dialect=gnu2
// before: 1 1 | 2 1
// after: 1003 1001 | 1004 1001
// reverted: 5 1
// changed: step
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static int (*step)(int);
static void *other(void *n) { return (void *)(long)step((int)(long)n); }

void call(int n) {
  if (step == NULL) step = (int (*)(int))dlsym(dlopen("./libstep.so", RTLD_NOW), "step");
  pthread_t thread;
  void *result;
  int here = step(n);
  pthread_create(&thread, NULL, other, (void *)(long)n);
  pthread_join(thread, &result);
  printf("%d %ld\n", here, (long)result);
}
