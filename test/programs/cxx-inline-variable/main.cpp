// about: C++17 inline variables and static members of templates: one for the program, in every unit's code
// matrix: -g -O0 -std=c++17 | -g -O2 -std=c++17 | -g -O2 -std=c++17 -fno-pie -no-pie
// before: 1 1 5 | 2 2 10
// after: 101 3 15 | 102 4 20
// reverted: 1 5 25
// changed: _ZL4stepi
#include <cstdio>

inline int counted = 0;
template <class T> struct Box { static inline T total = 0; static constexpr T unit = 5; };
__attribute__((noinline)) static int step(int n) {
  Box<int>::total += Box<int>::unit;
  ++counted;
  return n; // before
  return n + 100; // after
}
extern "C" void call(int n) {
  int got = step(n);
  std::printf("%d %d %d\n", got, counted, Box<int>::total);
}
