// about: a new function with __attribute__((constructor)) in C++
// flags: -O2
// matrix: | clang -O0
// refused: constructor|init_array
#include <cstdio>

static int bias;   // after
__attribute__((constructor)) static void begin() { bias = 100; }   // after

extern "C" void call(int n) {
  std::printf("%d\n", n);   // before
  std::printf("%d\n", n + bias);   // after
}
