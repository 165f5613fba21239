// about: another initial value of a global that is computed when the program starts: it has been computed already
// matrix: -g -O0 | -g -O2 | clang -O2
// refused: ran when the program was started
#include <cstdio>
#include <string>

static std::string name(8, 'a');   // before
static std::string name(9, 'b');   // after

extern "C" void call(int n) { std::printf("%d %s\n", n, name.c_str()); }
