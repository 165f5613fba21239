#include "parts.h"

int encode(int n) {
  return 10 + digit(n); // before
  return 20 + digit(n); // after
}
