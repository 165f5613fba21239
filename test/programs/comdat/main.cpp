// about: an inline function that two units emit (COMDAT): one copy runs, and its static variable goes on
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | -O2 -fuse-ld=gold | -O2 -fuse-ld=lld -Wl,--build-id | clang -O0 | clang -O2
// before: 41 42 | 44 46
// after: 146 246 | 446 646
// reverted: 647 648 | 650 652
// changed: _Z6ticketi
// changed by clang -O2: _Z5otheri call
#include "shared.h"

int other(int n);

extern "C" void call(int n) {
  const int first = ticket(n);
  printf("%d %d\n", first, other(n));
}
