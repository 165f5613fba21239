// about: functions of libc that the program did not use before
// matrix: -O0 | -O2 | -O2 -fno-plt | -O2 -fno-pie -no-pie | clang -O2
// before: 1 | 2
// after: 31 True | 32 True
// changed: show
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static void show(int n) {
  printf("%d\n", n); // before
  char *text = strdup("true"), *end;                       // after
  text[0] = (char)toupper(text[0]);                        // after
  printf("%ld %s\n", strtol("0x1e", &end, 0) + n, text);   // after
  free(text);                                              // after
}

void call(int n) { show(n); }
