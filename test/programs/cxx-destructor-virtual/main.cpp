// about: virtual destructors: through a base (D0), at the end of a scope (D1), by a derived class (D2), through a thunk
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O0 | clang -O2
// before: 1 21 21 21 | 1 21 21 21
// after: 7 87 87 87 | 7 87 87 87
// changed: _ZN4BothD2Ev _ZN5FirstD2Ev
// changed by -O2: _ZN4BothD0Ev _ZN4BothD2Ev _ZN5FirstD0Ev _ZN5FirstD2Ev _ZThn16_N4BothD0Ev _ZThn16_N4BothD1Ev call
#include <cstdio>

static int trace;
struct First {
  virtual ~First();
  int a = 0;
};
struct Second {
  virtual ~Second() = default;
  int b = 0;
};
struct Both : First, Second {
  ~Both() override;
};

First::~First() {
  trace = trace * 10 + 1;   // before
  trace = trace * 10 + 7;   // after
}
Both::~Both() {
  trace = trace * 10 + 2;   // before
  trace = trace * 10 + 8;   // after
}

template <typename Body> static int traced(Body body) {
  trace = 0;
  body();
  return trace;
}
static First *volatile first;
static Second *volatile second;

extern "C" void call(int) {
  first = new First;
  const int plain = traced([] { delete first; });
  first = new Both;
  const int derived = traced([] { delete first; });
  second = new Both;
  const int thunk = traced([] { delete second; });
  const int scope = traced([] { Both both; first = &both; });
  std::printf("%d %d %d %d\n", plain, derived, thunk, scope);
}
