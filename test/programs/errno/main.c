// about: errno, a thread-local variable of libc
// matrix: -O0 | -O2 | clang -O2
// before: -1 | -1
// after: -1 EBADF | -1 EBADF
// changed: try_close
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((noinline)) static int try_close(const char **why) {
  *why = ""; // before
  errno = 0; // after
  int result = close(-1);
  *why = errno == EBADF ? " EBADF" : " other"; // after
  return result;
}

void call(int n) {
  const char *why;
  n = try_close(&why);
  printf("%d%s\n", n, why);
}
