// about: inline assembly with local labels and operands
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 6 | 8
// after: 16 | 18
// changed: loop
#include <stdio.h>

__attribute__((noinline)) static long loop(long n) {
  long sum = n + 2; // before
  long sum = n + 12; // after
#ifdef __aarch64__
  __asm__("mov x9, #3\n"
          "0: add %0, %0, #1\n"
          "   subs x9, x9, #1\n"
          "   b.ne 0b"
          : "+r"(sum)
          :
          : "x9", "cc");
#else
  __asm__("mov $3, %%rcx\n"
          "0: add $1, %0\n"
          "   dec %%rcx\n"
          "   jnz 0b"
          : "+r"(sum)
          :
          : "rcx", "cc");
#endif
  return sum;
}

void call(int n) { printf("%ld\n", loop(n) + (n - 1)); }
