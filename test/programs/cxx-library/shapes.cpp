#include "shapes.h"

static thread_local int counted;
int calls() { return counted; }

struct Square : Shape {
  int area(int n) const override;
};

__attribute__((noinline)) int Square::area(int n) const {
  counted++;
  if (n == 3) throw Wrong("three");   // before
  if (n == 3) throw Wrong("three, and more");   // after
  return n * n;   // before
  return n * n + 100;   // after
}

Shape *makeSquare() { return new Square; }
