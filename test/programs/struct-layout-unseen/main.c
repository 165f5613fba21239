// about: without debug information a moved field shows as changed code only: the patch carries a warning
// matrix: -O2
// before: 11 | 12
// after: 11 | 12
// changed: call use
// warned: declaration of struct session.*-g to have them compared
#include <stdio.h>
struct session {
  int used; // after
  int id;
  int used; // before
};
__attribute__((noipa)) static int use(const struct session *s) { return s->id + s->used; }

void call(int n) {
  struct session s = {.id = n, .used = 10};
  __asm__ volatile("" : "+m"(s));
  printf("%d\n", use(&s));
}
