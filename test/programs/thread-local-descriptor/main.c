// about: thread-local variables reached through TLS descriptors are refused
// flags: -O2 -fPIC -mtls-dialect=gnu2 -ftls-model=global-dynamic
// before: 1 | 2
// refused to apply: TLS descriptor
// after: 3 | 4
// reverted: 5 | 6
// changed: step
#include <stdio.h>
int step(void);
void call(int n) { n = step(), printf("%d\n", n); }
