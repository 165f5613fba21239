// about: C++ exceptions: thrown out of a patched function, passing through it with its cleanups, caught inside it
// flags: -g
// matrix: -O0 | -O2 | -O2 -static-libgcc -static-libstdc++ | -O2 -static | clang -O2 | clang -O0
// before: 1 0 | 2 1 | 3 2 | 99 3
// after: 101 3 | 102 13 | 103 23 | 44 33
// reverted: 1 33 | 2 34 | 3 35 | 99 36
// changed: _Z6caughti _Z7throughi _Z7throweri
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

int passed;

struct Passed {
  int by;
  ~Passed() { passed += by; }
};

__attribute__((noinline)) void thrower(int n) {
  if (n == 1) return;
  if (n < 4) throw std::runtime_error(std::to_string(n));   // before
  if (n < 4) throw std::runtime_error(std::to_string(n + 100));   // after
  throw n;
}

__attribute__((noinline)) void through(int n) {
  if (n == 1) return;
  Passed counted{1};   // before
  Passed counted{10};   // after
  thrower(n);
}

__attribute__((noinline)) int caught(int n) {
  try {
    through(n);
    return n;   // before
    return n + 100;   // after
  } catch (const std::exception &error) {
    return std::atoi(error.what());
  } catch (int) {
    return 99;   // before
    return 44;   // after
  }
}

extern "C" void call(int n) {
  const int result = caught(n);
  std::printf("%d %d\n", result, passed);
}
