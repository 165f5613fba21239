// about: inline assembly that describes its place in a table of another section, as kernels do
// matrix: -O0 | -O2
// refused: writes to section places[^}]*"where": "main.c:7"
#include <stdio.h>

struct place { long address, value; };
extern const struct place __start_places[], __stop_places[];

__attribute__((noinline)) static int marked(int n) {
  __asm__ volatile("1:\n\t.pushsection places,\"a\"\n\t.quad 1b, 42\n\t.popsection" ::"r"(n));
  return n + 1; // before
  return n + 11; // after
}

void call(int n) {
  int result = marked(n);
  printf("%d %d\n", result, (int)(__stop_places - __start_places));
}
