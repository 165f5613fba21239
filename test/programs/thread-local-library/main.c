// about: thread-local variables reached through __tls_get_addr and through the GOT
// matrix: -O2 -fPIC -ftls-model=global-dynamic | -O2 -fPIC -ftls-model=initial-exec | -O2 -fPIC -ftls-model=local-dynamic
// before: 1 | 2
// after: 1003 | 1004
// reverted: 5
// changed: step
#include <stdio.h>
int step(void);
void call(int n) { n = step(), printf("%d\n", n); }
