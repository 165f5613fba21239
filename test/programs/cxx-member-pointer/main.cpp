// about: pointers to methods, plain and virtual ones, that the program took before the patch
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O0 | clang -O2
// before: 11 12 | 12 13
// after: 101 202 | 102 203
// changed: _ZN4Desk4overEi _ZN4Desk5plainEi
#include <cstdio>

struct Table {
  int n = 10;
  virtual int over(int) = 0;
};
struct Desk : Table {
  int plain(int by);
  int over(int by) override;
};
int Desk::plain(int by) {
  return n + by;   // before
  return 100 + by;   // after
}
int Desk::over(int by) {
  return n + by + 1;   // before
  return 201 + by;   // after
}

static int (Desk::*volatile plain)(int) = &Desk::plain;
static int (Table::*volatile over)(int) = &Table::over;

extern "C" void call(int n) {
  static Desk desk;
  const int first = (desk.*plain)(n);
  std::printf("%d %d\n", first, (desk.*over)(n));
}
