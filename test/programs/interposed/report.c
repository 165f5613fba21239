#include <stdio.h>
const char *where(void);
const char *where(void) { return "lib"; }
void report(int n) {
  printf("%s %d\n", where(), n); // before
  printf("new %s %d\n", where(), n); // after
}
