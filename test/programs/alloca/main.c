// about: alloca and arrays of variable length
// matrix: -O0 | -O2 | clang -O2
// before: 0 1 | 0 1 4
// after: 1 2 1 | 1 2 5 8
// changed: squares
#include <alloca.h>
#include <stdio.h>

__attribute__((noinline)) static void squares(int n) {
  int list[n + 1];
  int *copy = alloca((size_t)(n + 1) * sizeof *copy);
  for (int i = 0; i <= n; i++) list[i] = i * i;     // before
  for (int i = 0; i <= n; i++) list[i] = i * i + 1; // after
  for (int i = 0; i <= n; i++) copy[i] = list[i];
  for (int i = 0; i <= n; i++) printf(i ? " %d" : "%d", copy[i]);
  printf(" %d", n * n * n); // after
  puts("");
}

void call(int n) { squares(n); }
