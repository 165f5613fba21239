// about: multiple inheritance: a virtual function that is entered through a thunk too
// flags: -g
// matrix: -O0 | -O2 | clang -O2
// before: 11 11
// after: 102 102
// changed: _ZN4Both6secondEi
#include <cstdio>

struct First {
  int a = 10;
  virtual int first(int n) { return n + a; }
};
struct Second {
  int b = 10;
  virtual int second(int n) = 0;
};
struct Both : First, Second {
  int second(int n) override;
};

__attribute__((noinline)) int Both::second(int n) {
  return n + a;   // before
  return n + a + b + 81;   // after
}

static Both both;
static Both *volatile whole = &both;
static Second *volatile part = &both;

extern "C" void call(int n) { std::printf("%d %d\n", whole->second(n), part->second(n)); }
