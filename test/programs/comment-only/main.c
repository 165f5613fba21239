// about: a fix that changes comments and white space only
// matrix: -O0 | -O2 -g | clang -O2
// nothing
#include <stdio.h>

/* Prints a number. */                               // before
/* Prints a number and the end of the line,          // after
   as a text for people. */                          // after

void call(int n) {
  printf("%d\n", n); // before
  printf("%d\n",     // after
         n);         // after
}
