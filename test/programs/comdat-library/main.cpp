// about: an inline function in the executable and in its library: both copies are patched, the executable's runs for both
// matrix: -O0 | -O2 | -O2 -fvisibility=hidden | clang -O2
// before: 41 42 | 44 46
// before by -fvisibility=hidden: 41 41 | 43 43
// after: 146 246 | 446 646
// after by -fvisibility=hidden: 143 143 | 343 343
// reverted: 647 648 | 650 652
// reverted by -fvisibility=hidden: 344 344 | 346 346
// changed: _Z6ticketi _Z6ticketi
// changed by clang -O2: _Z5otheri call
#include "shared.h"

__attribute__((visibility("default"))) int other(int n);

extern "C" void call(int n) {
  const int first = ticket(n);
  printf("%d %d\n", first, other(n));
}
