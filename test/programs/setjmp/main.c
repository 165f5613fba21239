// about: longjmp through and back into a changed function
// matrix: -O0 | -O2 | clang -O0 | clang -O2
// before: 1 back 1 | 2 back 2
// after: 1 back 11 | 2 back 12
// changed: attempt
#include <setjmp.h>
#include <stdio.h>

static jmp_buf place;
__attribute__((noinline, noreturn)) static void fail(int n) { longjmp(place, n); }

__attribute__((noinline)) static void attempt(int n) {
  volatile int kept = n;
  int code = setjmp(place);
  if (code == 0) fail(n);      // before
  if (code == 0) fail(n + 10); // after
  printf("%d back %d\n", kept, code);
}

void call(int n) { attempt(n); }
