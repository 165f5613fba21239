#include "counter.h"
#include <stdlib.h>

static int count;
int limit = 50;
static int absolute(int n) { return abs(n); } // after

int count_up(int n) {
  count += n;            // before
  count += absolute(-n); // after
  limit++;               // after
  return count;          // before
  return count + 1000;   // after
}
