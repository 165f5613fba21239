// about: a jump table in a function that changes elsewhere
// matrix: -O0 | -O2 | -O2 -fno-pie -no-pie | -O2 -fno-jump-tables | clang -O0 | clang -O2
// before: apple | pear | plum | fig | nut | none | none
// after: apple! | pear! | plum! | fig! | nut! | none! | none!
// changed: fruit
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) static void fruit(int n, char *out) {
  switch (n) {
    case 1: strcpy(out, "apple"); break;
    case 2: memcpy(out, "pear", 5); break;
    case 3: strcat(out, "plum"); break;
    case 4: sprintf(out, "fig"); break;
    case 5: strncpy(out, "nut", 8); break;
    default: out[0] = 'n', strcpy(out + 1, "one");
  }
  strcat(out, "!"); // after
}

void call(int n) {
  char out[16] = "";
  fruit(n, out);
  puts(out);
}
