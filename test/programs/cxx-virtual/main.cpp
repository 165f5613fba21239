// about: a changed virtual function, called through the vtable that the objects have
// flags: -g
// matrix: -O0 | -O2 | clang -O2
// before: 11
// after: 102
// reverted: 11
// changed: _ZNK5Plain2ofEi
#include <cstdio>
#include <memory>

struct Price {
  virtual ~Price() = default;
  virtual int of(int n) const = 0;
};

struct Plain : Price {
  __attribute__((noinline)) int of(int n) const override;
};

int Plain::of(int n) const {
  return n + 10;   // before
  return n + 101;   // after
}

static const std::unique_ptr<Price> price = std::make_unique<Plain>();

extern "C" void call(int n) { std::printf("%d\n", price->of(n)); }
