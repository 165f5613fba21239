/** The program of these tests, and two fixes of it as LibcarePlus's comparison would put them. */

/** Answers a number with f and g of it. `calls` counts the calls of f. */
export const ANSWERS = `
#include <stdio.h>
#include <stdlib.h>
static int calls;
int limit = 5;
__attribute__((noinline)) int f(int x) { calls++; return x + limit; }
__attribute__((noinline)) int g(int x) { return x * 2 + calls; }
int main(void) {
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    int x = atoi(line);
    int of_f = f(x);
    printf("%d: %d %d\\n", x, of_f, g(x));
  }
}`;

/** A new body with a new function, static variables, a table of addresses, a string, and calls of the C library. */
export const FIRST = {
  patch: `
#include <stdio.h>
#include <stdlib.h>
extern int limit, calls;
static int seen = 40;
static char *names[] = {"zero+0", "one+1", "two+2"};
__attribute__((noinline)) int helper(int x) {
  static int total;
  total += x;
  return total + (int)atol(names[x % 3] + 4 - (x % 3 == 0 ? -1 : 0) );
}
int f_kpatch(int x) {
  calls++;
  seen++;
  if (x > 1000) fprintf(stderr, "large\\n");
  return seen * 100 + helper(x) + limit;
}`,
  changed: ['f'],
  added: ['helper'],
};

/** Another function, which reads what the first fix goes on counting. */
export const SECOND = {
  patch: `
extern int calls;
int g_kpatch(int x) { return 999 + x + calls; }`,
  changed: ['g'],
};

/** The first function once more, on top of the first fix. */
export const OVER_FIRST = {
  patch: `
int f_kpatch(int x) { return 70000 * x; }`,
  changed: ['f'],
};
