// about: a changed function of a library that the executable replaces by its own: fixed where it lies, run by nobody
// flags: -O2 -fPIC
// before: exe 1 | exe 2
// after: exe 1 | exe 2
// changed: where
#include <stdio.h>
void report(int n);
const char *where(void) { return "exe"; }
void call(int n) { report(n); }
