// about: a constructor, one function under two names (C1, C2): new objects are made by the new one, old ones stay
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O0 | clang -O2
// before: 10 11 21 | 10 12 22
// after: 10 101 111 | 10 102 112
// changed: _ZN5CountC2Ei
// changed by clang -O2: _ZN5CountC2Ei call
#include <cstdio>

struct Count {
  int n;
  explicit Count(int start);
};
__attribute__((noipa)) Count::Count(int start)
  : n(start + 10) {}   // before
  : n(start + 100) {}   // after

struct Twice : Count {
  explicit Twice(int start) : Count(start + 10) {}
};

extern "C" void call(int n) {
  static const Count existing(0);
  const Count fresh(n);
  const Twice twice(n);
  std::printf("%d %d %d\n", existing.n, fresh.n, twice.n);
}
