#include <stdio.h>
const char *where(void);
const char *where(void) {
  return "lib"; // before
  return "new lib"; // after
}
void report(int n) { printf("%s %d\n", where(), n); }
