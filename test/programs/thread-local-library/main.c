// about: thread-local variables reached through __tls_get_addr, through the GOT and through TLS descriptors
// matrix: -O2 -fPIC -ftls-model=global-dynamic | -O2 -fPIC -ftls-model=initial-exec | -O2 -fPIC -ftls-model=local-dynamic | -O2 -fPIC -fno-plt -ftls-model=global-dynamic | -O2 -fPIC -mtls-dialect=gnu2 -ftls-model=global-dynamic | -O2 -fPIC -mtls-dialect=gnu2 -ftls-model=local-dynamic | -O0 -fPIC -mtls-dialect=gnu2 | clang -O2 -fPIC -fno-semantic-interposition | clang -O0 -fPIC -ftls-model=initial-exec
// before: 1 | 2
// after: 1003 | 1004
// reverted: 5
// changed: step
#include <stdio.h>
int step(void);
void call(int n) { n = step(), printf("%d\n", n); }
