// about: a lambda with captures, kept in a std::function by the program
// flags: -g
// matrix: -O0 | -O2
// before: 11 | 22
// changed: _ZZL6scalediENKUliE_clEi
// after: 101 | 202
#include <cstdio>
#include <functional>

static std::function<int(int)> scaled(int by) {
  return [by](int n) __attribute__((noipa)) {
    return n * by + n;   // before
    return n * by * 10 + n;   // after
  };
}

static const std::function<int(int)> kept = scaled(10);

extern "C" void call(int n) { std::printf("%d\n", kept(n)); }
