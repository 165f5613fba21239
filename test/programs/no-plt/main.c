// about: calls without a PLT
// flags: -O2 -fno-plt
// matrix: -fPIE -pie | -fno-pie -no-pie | -fPIE -pie -Wl,-z,now | -fPIE -pie -Wl,-z,lazy | clang
// before: 5 | 6
// after: 5 7 | 6 7
// changed: show
// changed by clang: call
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noipa)) static void show(const char *text, int n) {
  printf("%d\n", (int)strlen(text) + n); // before
  printf("%d %d\n", (int)strlen(text) + n, abs(atoi("-7"))); // after
}

void call(int n) { show("four", n); }
