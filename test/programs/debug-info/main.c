// about: debug information of every kind
// matrix: -O2 -g | -O0 -g3 | -O2 -ggdb3 -gdwarf-4 | -O2 -g -gz | -O2 -g1 -gsplit-dwarf | clang -O0 -g3 -gdwarf-4 | clang -O2 -ggdb -gdwarf-5 -gz
// before: 1 one | 2 two
// after: 1 ONE | 2 two
// changed: name
#include <stdio.h>

#define NAME(n) ((n) == 1 ? "one" : "two") // before
// The fix comes with a comment that moves every line below it. // after
#define NAME(n) ((n) == 1 ? "ONE" : "two") // after

struct named {
  int number;
  const char *name;
};

__attribute__((noinline)) static const char *name(int n) { return NAME(n); }

void call(int n) {
  struct named named = {n, name(n)};
  printf("%d %s\n", named.number, named.name);
}
