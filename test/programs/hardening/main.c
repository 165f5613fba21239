// about: the flags of hardened builds: control-flow protection, stack protector, checked libc calls, clash protection
// matrix: -O2 -fcf-protection=full | -O2 -fstack-protector-strong | -O2 -D_FORTIFY_SOURCE=2 | -O2 -fstack-clash-protection | -O2 -fcf-protection=full -fstack-protector-all -D_FORTIFY_SOURCE=2 -fPIE -pie -Wl,-z,relro,-z,now | -O0 -fcf-protection=full -fstack-protector-all | clang -O2 -fcf-protection=full -fstack-protector-strong -D_FORTIFY_SOURCE=2
// before: one: 1 | two: 2
// after: >one: 1 | >two: 2
// changed: show
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) static void show(const char *name, int n) {
  char line[32], big[9000];
  strcpy(line, name); // before
  strcpy(line, ">"), strcat(line, name); // after
  memset(big, n, sizeof big);
  __asm__ volatile("" : : "r"(big) : "memory");
  snprintf(line + strlen(line), sizeof line - strlen(line), ": %d", big[8999]);
  printf("%s\n", line);
}

void call(int n) { show(n == 1 ? "one" : "two", n); }
