// about: private members that change places without debug information: all that uses them in the fix's units changes
// matrix: -O2
// before: 12 | 14
// after: 12 | 14
// changed: _ZN4Pair3sumEv _ZN4Pair3setEi
#include <cstdio>

class Pair {
 public:
  __attribute__((noipa)) void set(int n);
  __attribute__((noipa)) int sum();

 private:
  int big; // after
  int small;
  int big; // before
};
void Pair::set(int n) { small = n, big = 10; }
int Pair::sum() { return big + 2 * small; }

extern "C" void call(int n) {
  Pair pair;
  pair.set(n);
  std::printf("%d\n", pair.sum());
}
