// about: inline assembly that names a static variable and a function by symbol
// matrix: -O0 | -O2 -fno-pie -no-pie | -O2
// flags: -mno-red-zone
// before: 5 | 7
// after: 108 | 110
// reverted: 11
// changed: step
#include <stdio.h>

static int total __attribute__((used)) = 4;
__attribute__((used, noipa)) static int add(void) { return total; }
__attribute__((noipa)) static int step(int n) {
  int result;
  __asm__ volatile("addl %1, total(%%rip)\n\tcall add" : "=a"(result) : "r"(n) : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
  return result;       // before
  return result + 100; // after
}
void call(int n) {
  printf("%d\n", step(n));
}
