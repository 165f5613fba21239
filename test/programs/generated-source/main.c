// about: a source that a generator makes during the build: a diff of what it generates is patched, one of its input refused
// flags: -O2
// scenario: generated-source.test.ts
#include <stdio.h>
int value(int n);
void call(int n) { printf("%d\n", value(n)); }
