// about: a class that gains a virtual function: its vtable changes
// matrix: -g -O2 | -O2 | clang -O2
// refused: vtable|_ZTV5Plain|virtual
#include <cstdio>
#include <memory>

struct Plain {
  virtual int of(int n) const;
  virtual int twice(int n) const;   // after
  virtual ~Plain();
};

Plain::~Plain() = default;
int Plain::of(int n) const {
  return n + 10;   // before
  return twice(n) + 10;   // after
}
int Plain::twice(int n) const { return 2 * n; }   // after

static const std::unique_ptr<Plain> price = std::make_unique<Plain>();

extern "C" void call(int n) { std::printf("%d\n", price->of(n)); }
