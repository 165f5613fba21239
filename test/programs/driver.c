/* The main program of every case: for each line read, one call of the case with the number on that line. */
#include <stdio.h>
#include <stdlib.h>

void call(int n);

int main(void) {
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    call(atoi(line));
    puts(".");
    fflush(stdout);
  }
  return 0;
}
