// about: thread-local variables of an executable by every model that a compiler can be told to use
// matrix: -O2 -fPIE -pie -ftls-model=local-exec | -O2 -fPIE -pie -ftls-model=initial-exec | -O2 -fPIC -pie -ftls-model=local-dynamic | -O2 -fPIC -pie -ftls-model=global-dynamic | -O2 -fPIC -no-pie -ftls-model=global-dynamic | -O2 -fPIC -pie -mtls-dialect=gnu2 -ftls-model=global-dynamic | -O2 -fPIC -pie -mtls-dialect=gnu2 -ftls-model=local-dynamic | -O0 -fPIC -pie -mtls-dialect=gnu2 | -O2 -fPIC -pie -fno-plt -ftls-model=global-dynamic | -O2 -fPIC -static -mtls-dialect=gnu2 | -O2 -fPIC -static -ftls-model=global-dynamic
// before: 1 8 3 | 2 9 4
// after: 13 10 5 | 24 11 6
// reverted: 25 12 7
// changed: step
// refused by -static -ftls-model=global-dynamic: __tls_get_addr is not in
// after by aarch64 -static -ftls-model=global-dynamic: 13 10 5 | 24 11 6
#include <stdio.h>

static __thread int count;
__thread int tickets = 7;
extern __thread int elsewhere;

__attribute__((noinline)) static void step(void) {
  count++;                             // before
  count += 11;                         // after
  ++elsewhere;
  printf("%d %d %d\n", count, ++tickets, elsewhere);
}

void call(int n) { (void)n, step(); }
