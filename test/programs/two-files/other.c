#include "parts.h"
#include <stdlib.h>
int helper(int n) { return n + 100; } // after
int two(int n) {
  return abs(n) * 3 + 1 - 2 * n;  // before
  return abs(n) * 3 + 11 - 2 * n; // after
}
