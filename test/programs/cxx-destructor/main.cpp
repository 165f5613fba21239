// about: a destructor, one function under two names (D1, D2): of an object, of a member and of a base
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O0 | clang -O2
// before: 1111 | 2222
// after: 5551 | 11102
// changed: _ZN5GuardD2Ev
// changed by clang -O2: _ZL3usei _ZN5GuardD2Ev
#include <cstdio>

static int sum;
struct Guard {
  int weight;
  explicit Guard(int w) : weight(w) {}
  ~Guard();
};
__attribute__((noipa)) Guard::~Guard() {
  sum += weight;   // before
  if (weight % 10 != 0) { sum += weight; return; }   // after
  sum += 5 * weight;   // after
}

struct Holder {
  Guard member;
  explicit Holder(int n) : member(n) {}
};
struct Derived : Guard {
  explicit Derived(int n) : Guard(n) {}
};

__attribute__((noinline)) static void use(int n) {
  Guard unit(n), ten(10 * n);
  Holder holder(100 * n);
  Derived derived(1000 * n);
}

extern "C" void call(int n) {
  sum = 0;
  use(n);
  std::printf("%d\n", sum);
}
