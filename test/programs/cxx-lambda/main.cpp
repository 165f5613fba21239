// about: a lambda with captures, kept in a std::function by the program
// flags: -g
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 11 | 22
// changed: _ZZL6scalediENKUliE_clEi
// after: 101 | 202
// changed by clang -O0: _ZZL6scalediENK3$_0clEi
// changed by clang -O2: _ZNSt17_Function_handlerIFiiEZL6scalediE3$_0E9_M_invokeERKSt9_Any_dataOi
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
