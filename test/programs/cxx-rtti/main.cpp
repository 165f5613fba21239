// about: dynamic_cast, typeid and catching by base class in patched code: type information is the program's own
// flags: -g
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: square 4 0 | none 2 0
// after: square 4 1 | none 2 1
// changed: _Z9describedR5Shape
#include <cstdio>
#include <stdexcept>
#include <typeinfo>

struct Shape {
  virtual ~Shape() = default;
};
struct Square : Shape {
  int side = 4;
};
struct Circle : Shape {};

__attribute__((noinline)) void described(Shape &shape) {
  int caught = 0;
  if (auto *square = dynamic_cast<Square *>(&shape)) std::printf("square %d", square->side);
  else std::printf("none %d", typeid(shape) == typeid(Circle) ? 2 : 3);
  try { throw std::out_of_range("x"); } catch (const std::logic_error &) { caught = 1; }   // after
  std::printf(" %d\n", caught);
}

extern "C" void call(int n) {
  Square square;
  Circle circle;
  if (n == 1) described(square);
  else described(circle);
}
