// about: a struct whose fields move, come or change their type, found by debug information
// matrix: -g -O0 | -g -O2 | -g3 -O2 -gdwarf-4
// refused: layout of struct session
#include <stdio.h>
#include <stdlib.h>

struct session {
  int id;
  short limit; // after
  short used;
};
static struct session *current;
__attribute__((noinline)) static int use(struct session *s) { return s->id + ++s->used; }

void call(int n) {
  if (current == NULL) current = calloc(1, sizeof *current);
  current->id = n;
  printf("%d\n", use(current));
}
