// about: instrumented code: profiling, coverage, and the sanitizers of addresses, of undefined behaviour and of threads
// refused by --coverage: compiled with --coverage[^}]*built without --coverage
// matrix: -O2 -pg | -O0 --coverage | -O2 --coverage | -O1 -fsanitize=address | -O1 -fsanitize=undefined | -O1 -fsanitize=thread | clang -O1 -fsanitize=address | clang -O1 -fsanitize=undefined | clang -O1 -fsanitize=thread | clang -O1 --coverage | clang -O1 -fprofile-instr-generate -fcoverage-mapping
// before: 1 one | 3 two
// after: 4 oneone | 6 twozero
// reverted: 7 one
// changed: step
// after by -fsanitize=thread: 4 one | 6 two
// refused to apply by -fsanitize=thread: looks like a stack
// after by clang: 4 oneone | 6 twozero
// changed by clang --coverage: step __llvm_gcov_writeout
// unfit by aarch64 clang: Debian has no runtime of clang for it among its cross packages
// unfit by aarch64 -fsanitize=address: the emulated machine has no library of it
// unfit by aarch64 -fsanitize=undefined: the emulated machine has no library of it
// unfit by aarch64 -fsanitize=thread: the emulated machine has no library of it
#include <stdio.h>
#include <string.h>

static int total;
static const char *const names[] = {"zero", "one", "two", "three"};

__attribute__((noinline)) static void step(int n) {
  char line[16];
  total += n;
  strcpy(line, names[n & 3]);
  strcat(line, names[n & 1]); // after
  printf("%d %s\n", total, line);
}

void call(int n) { step(n); }
