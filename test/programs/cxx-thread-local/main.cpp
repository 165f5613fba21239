// about: an existing thread_local object with a constructor, which patched code goes on using
// flags: -g
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O2
// before: 1 made | 2 made
// after: 30 made | 40 made
// reverted: 5 made | 6 made
// changed: _Z5steppi
#include <cstdio>
#include <string>

struct State {
  int calls = 0;
  std::string name = "made";
};

static thread_local State state;

__attribute__((noinline)) int stepp(int by) {
  return ++state.calls * by;   // before
  return ++state.calls * by * 10;   // after
}

extern "C" void call(int) {
  const int step = stepp(1);
  std::printf("%d %s\n", step, state.name.c_str());
}
