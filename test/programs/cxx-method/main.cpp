// about: a method of a C++ class
// flags: -g
// matrix: -O0 | -O2 | clang -O2
// before: 11 22
// after: 101 202
// changed: _ZNK5Scale2ofEi
// reverted: 11 22
// changed by aarch64 -O2: _ZNK5Scale2ofEi call
// changed by aarch64 clang -O2: _ZNK5Scale2ofEi
#include <cstdio>
class Scale {
  int factor_;

 public:
  explicit Scale(int factor) : factor_(factor) {}
  int of(int n) const;
};
__attribute__((noinline)) int Scale::of(int n) const {
  return n * factor_ + n;   // before
  return n * factor_ * 10 + n;   // after
}
static Scale scale(10);
extern "C" void call(int n) { std::printf("%d %d\n", scale.of(n), scale.of(2 * n)); }
