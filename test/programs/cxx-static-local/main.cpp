// about: static locals with guards: the existing one keeps its value, a new one is made on its first use
// flags: -g
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O0 | clang -O2
// changed: _Z7valueOfi
// before: made 1 1 | 1 | 1
// after: other 100 101 | 101 | 101
// reverted: 1 | 1 | 1
#include <cstdio>
#include <cstdlib>

struct Made {
  int value;
  Made(const char *name, int n) : value(n) { std::printf("%s %d\n", name, n); }
};

__attribute__((noinline)) int valueOf(int n) {
  static Made made("made", n);
  static Made other("other", 100);   // after
  return made.value;   // before
  return made.value + other.value;   // after
}

extern "C" void call(int n) { std::printf("%d\n", valueOf(n)); }
