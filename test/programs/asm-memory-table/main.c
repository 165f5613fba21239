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
#ifdef __aarch64__
  __asm__ volatile("adrp x9, total\n\tldr w10, [x9, :lo12:total]\n\tadd w10, w10, %w1\n\tstr w10, [x9, :lo12:total]\n\t"
                   "bl add\n\tmov %w0, w0" : "=r"(result) : "r"(n) : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9",
                   "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x30", "memory", "cc");
#else
  __asm__ volatile("addl %1, total(%%rip)\n\tcall add" : "=a"(result) : "r"(n) : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
#endif
  return result;       // before
  return result + 100; // after
}
void call(int n) {
  printf("%d\n", step(n));
}
