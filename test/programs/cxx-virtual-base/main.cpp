// about: a virtual base: constructors and destructors of whole objects (C1, D1) and of bases (C2, D2) are different code
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 12 21 123 321 | 12 21 123 321
// after: 14 51 143 351 | 14 51 143 351
// changed: _ZN4LeftC4Ev _ZN4LeftD4Ev
// changed by clang: _ZN4LeftC1Ev _ZN4LeftC2Ev _ZN4LeftD2Ev
// changed by clang -O2: _ZN4LeafC1Ev _ZN4LeafC2Ev _ZN4LeafD0Ev _ZN4LeafD1Ev _ZN4LeafD2Ev _ZN4LeftC1Ev _ZN4LeftC2Ev _ZN4LeftD0Ev _ZN4LeftD1Ev _ZN4LeftD2Ev _ZTv0_n24_N4LeafD0Ev _ZTv0_n24_N4LeafD1Ev _ZTv0_n24_N4LeftD0Ev _ZTv0_n24_N4LeftD1Ev call
#include <cstdio>

static int trace;
static void __attribute__((noinline)) note(int n) { trace = trace * 10 + n; }

struct Root {
  Root();
  virtual ~Root();
  int root = 0;
};
struct Left : virtual Root {
  Left();
  ~Left() override;
  int left = 0;
};
struct Leaf : Left {
  Leaf();
  ~Leaf() override;
};

__attribute__((noipa)) Root::Root() { note(1); }
__attribute__((noipa)) Root::~Root() { note(1); }
__attribute__((noipa)) Left::Left() {
  note(2);   // before
  note(4);   // after
}
__attribute__((noipa)) Left::~Left() {
  note(2);   // before
  note(5);   // after
}
__attribute__((noipa)) Leaf::Leaf() { note(3); }
__attribute__((noipa)) Leaf::~Leaf() { note(3); }

static int taken() {
  const int noted = trace;
  trace = 0;
  return noted;
}

extern "C" void call(int) {
  Root *left = new Left;
  const int made = taken();
  delete left;
  const int gone = taken();
  Root *leaf = new Leaf;
  const int madeLeaf = taken();
  delete leaf;
  std::printf("%d %d %d %d\n", made, gone, madeLeaf, taken());
}
