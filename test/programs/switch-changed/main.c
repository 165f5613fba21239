// about: a jump table that gains and moves entries
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | clang -O0 | clang -O2
// before: a | b 2 | c | d 4 | e | - 6
// after: a | c | b 3 | d 4 | e | f | - 7
// changed: show
#include <stdio.h>

__attribute__((noinline)) static void show(int n) {
  switch (n) {
    case 1: puts("a"); break;
    case 2: printf("b %d\n", n); break; // before
    case 3: puts("c"); break;           // before
    case 2: puts("c"); break;           // after
    case 3: printf("b %d\n", n); break; // after
    case 4: printf("d %d\n", n); break;
    case 5: puts("e"); break;
    case 6: puts("f"); break; // after
    default: printf("- %d\n", n);
  }
}

void call(int n) { show(n); }
