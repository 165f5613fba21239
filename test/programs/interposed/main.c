// about: a function of a library that the executable replaces by its own: the library's own calls stay interposed
// flags: -O2 -fPIC
// matrix: | clang -fsemantic-interposition
// before: exe 1 | exe 2
// after: new exe 1 | new exe 2
// changed: report
#include <stdio.h>
void report(int n);
const char *where(void) { return "exe"; }
void call(int n) { report(n); }
