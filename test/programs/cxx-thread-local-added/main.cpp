// about: a new thread_local variable
// matrix: -g -O2 | -O0 | clang -O2
// refused: thread-local
#include <cstdio>

thread_local int calls;   // after

extern "C" void call(int n) {
  std::printf("%d\n", n);   // before
  std::printf("%d %d\n", n, ++calls);   // after
}
