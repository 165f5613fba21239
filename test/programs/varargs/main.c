// about: functions with variable arguments
// matrix: -O0 | -O2 | clang -O2
// before: 1+2=3 1.5 | 2+3=5 2.5
// after: [1+2=3 1.5] | [2+3=5 2.5]
// changed: say
#include <stdarg.h>
#include <stdio.h>

__attribute__((noipa, format(printf, 1, 2))) static void say(const char *format, ...) {
  va_list list;
  va_start(list, format);
  putchar('['); // after
  vprintf(format, list);
  va_end(list);
  putchar(']'); // after
  putchar('\n');
}

void call(int n) { say("%d+%d=%d %.1f", n, n + 1, n + n + 1, n + 0.5); }
