// about: a changed constant table that unchanged code and live data reach
// matrix: -O0 | -O2 | clang -O2
// refused: table
#include <stdio.h>

const int table[3] = {1, 2, 3}; // before
const int table[3] = {1, 2, 4}; // after
const int *chosen = table;

void call(int n) { printf("%d %d\n", n, chosen[n]); }
