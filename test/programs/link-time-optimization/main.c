// about: link-time optimization: the code is made when the program is linked, out of all units
// flags: -O2
// matrix: -flto=auto | clang -flto -fuse-ld=lld | clang -flto=thin -fuse-ld=lld | -flto=auto -ffat-lto-objects -fno-lto
// refused: -flto
// before by -fno-lto: 1 | 2
// after by -fno-lto: 2 | 4
// changed by -fno-lto: step
#include <stdio.h>

__attribute__((noinline)) static int step(int n) {
  return n;     // before
  return n * 2; // after
}

void call(int n) { printf("%d\n", step(n)); }
