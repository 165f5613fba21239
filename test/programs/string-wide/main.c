// about: wide, UTF-16 and UTF-8 strings
// matrix: -O0 | -O2 | clang -O2
// before: 97 8364 12 | 98 233 12
// after: 120 8364 12 | 121 233 12
// changed: letter
#include <stdio.h>
#include <uchar.h>
#include <wchar.h>

__attribute__((noinline)) static int letter(int n) {
  return (int)L"-ab€"[n]; // before
  return (int)L"-xy€"[n]; // after
}
__attribute__((noinline)) static int other(int n) { return u"-€é"[n]; }
__attribute__((noinline)) static const char *bytes(void) { return u8"Grüße, Welt"; }

void call(int n) {
  int length = 0;
  for (const char *p = bytes(); *p; p++) length++;
  printf("%d %d %d\n", letter(n), other(n), length - 1);
}
