// about: destructors in a header, emitted in two units: a COMDAT group of several names (D5) of which one copy is linked
// matrix: -O0 | -O2 | -O2 -ffunction-sections -Wl,--gc-sections | clang -O0 | clang -O2
// before: 22 | 24
// after: 2004 | 2204
// changed: _ZN4PartD2Ev _ZN5WholeD2Ev
// changed by -O2: _ZN4PartD2Ev _ZN5WholeD0Ev _ZN5WholeD2Ev call
// changed by clang -O2: _Z5otheri _ZN5WholeD0Ev _ZN5WholeD2Ev call
#include <cstdio>
#include "part.h"

void other(int n);
Whole *make();
int closed;

extern "C" void call(int n) {
  closed = 0;
  other(n);
  Part{n}, Part{10};
  delete make();
  { Whole whole; whole.part.size = 5; }
  std::printf("%d\n", closed);
}
