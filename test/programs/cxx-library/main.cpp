// about: a virtual method of a library that throws into the program, with a thread_local of the library
// flags: -g
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 1 1 | 4 2 | three 3
// after: 101 4 | 104 5 | three, and more 6
// reverted: 1 7 | 4 8 | three 9
// changed: _ZNK6Square4areaEi
#include <cstdio>
#include "shapes.h"

extern "C" void call(int n) {
  static Shape *const square = makeSquare();
  try {
    const int area = square->area(n);
    std::printf("%d %d\n", area, calls());
  } catch (const Wrong &wrong) {
    std::printf("%s %d\n", wrong.what(), calls());
  }
}
