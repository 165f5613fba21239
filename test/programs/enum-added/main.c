// about: an enumerator added at the end: nothing that runs means another value
// matrix: -g -O0 | -g -O2
// before: 0 | 1
// after: 0 | 7
// changed: kind
#include <stdio.h>

enum kind {
  PLAIN,
  FANCY,
  ROUND = 7, // after
};
__attribute__((noipa)) static enum kind kind(int n) {
  return n > 1 ? FANCY : PLAIN; // before
  return n > 1 ? ROUND : PLAIN; // after
}

void call(int n) { printf("%d\n", kind(n)); }
