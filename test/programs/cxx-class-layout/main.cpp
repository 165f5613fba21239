// about: a class whose layout changes, with and without debug information
// matrix: -g -O2 | -O2 | clang -O2
// refused: layout|size
#include <cstdio>

class Counter {
  int count_ = 0;
  int step_ = 10;   // after

 public:
  __attribute__((noinline)) int next(int n);
};

int Counter::next(int n) {
  return count_ += n;   // before
  return count_ += n * step_;   // after
}

Counter counter;

extern "C" void call(int n) { std::printf("%d\n", counter.next(n)); }
