// about: functions and variables of the same name in the anonymous namespaces of two files
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 1 101 | 3 103
// after: 1003 104 | 2003 106
// reverted: 2004 107 | 2006 109
// changed: _ZN12_GLOBAL__N_14stepEi
// changed by clang -O2: call
#include <cstdio>

int other(int n);
namespace {
int count;
__attribute__((noipa)) int step(int n) {
  return count += n;   // before
  return count += 1000;   // after
}
}

extern "C" void call(int n) {
  const int first = step(n);
  std::printf("%d %d\n", first, other(n));
}
