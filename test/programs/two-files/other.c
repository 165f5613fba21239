#include "parts.h"
int helper(int n) { return n + 100; } // after
int two(int n) {
  return n + 1;  // before
  return n + 11; // after
}
