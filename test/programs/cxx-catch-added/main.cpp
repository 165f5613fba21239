// about: a fix that adds the first try and catch to a function, with a new type of exception of its own
// flags: -g
// matrix: -O2 | -O2 -fno-pie -no-pie | clang -O2
// before: 1 | 4
// after: 1 | -4
// changed: _Z7checkedi
// new: _ZN5RangeD2Ev
// changed by clang: _Z7checkedi call
#include <cstdio>
#include <string>

struct Range {   // after
  std::string text;   // after
  int at;   // after
};   // after

__attribute__((noinline)) int checked(int n) {
  return n;   // before
  try {   // after
    if (n > 1) throw Range{std::string(40, 'x'), n};   // after
  } catch (const Range &range) {   // after
    return -range.at;   // after
  }   // after
  return n;   // after
}

static std::string kept;

extern "C" void call(int n) {
  kept.assign(40, 'y');
  std::printf("%d\n", n == 1 ? checked(1) : checked(4));
}
