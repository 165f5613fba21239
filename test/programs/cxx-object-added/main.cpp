// about: a new global object with a constructor and a destructor
// matrix: -g -O2 | -O0 | clang -O2
// refused: init_array .*it would have to run|_GLOBAL__sub_I
#include <cstdio>
#include <string>

static std::string prefix = "fixed";   // after

extern "C" void call(int n) {
  std::printf("%d\n", n);   // before
  std::printf("%s %d\n", prefix.c_str(), n);   // after
}
