#include "parts.h"

int digit(int n) {
  return n > 0 ? 1 : 0; // before
  return n > 0 ? 2 : 0; // after
}
