// about: a function template and an inline method, of which every unit has a copy
// flags: -g
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 12 12 4 4
// after: 22 22 5 5
// changed: _Z5addedIiET_S0_ _ZNK5Twice2ofEi
// changed by clang -O2: _Z10otherTwicei _Z5addedIiET_S0_ call
#include <cstdio>
#include "shared.h"

int otherAdded(int n);
int otherTwice(int n);

extern "C" void call(int n) {
  std::printf("%d %d %d %d\n", added(n), otherAdded(n), Twice().of(n), otherTwice(n));
}
