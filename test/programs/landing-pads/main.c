// about: a library in which every indirect call must meet a landing pad, as the CPU enforces it where it can
// flags: -O2 -fcf-protection=full -Wl,-z,ibt
// matrix: | clang
// before: 2 3 4 | 3 4 5
// after: 11 22 31 | 12 24 32
// reverted: 2 5 4
// changed: caller distant leaf mark
// changed by clang: caller distant leaf
// before by aarch64 -mbranch-protection=standard: 2 3 4 enforced | 3 4 5 enforced
// after by aarch64 -mbranch-protection=standard: 11 22 31 enforced | 12 24 32 enforced
// reverted by aarch64 -mbranch-protection=standard: 2 5 4 enforced
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int leaf(int n), caller(int n), distant(int n);
int adjust(int n) { return n; }

/* Linux says "bt" of pages in which branch target identification is on. */
static int is_enforced(void *at) {
  char line[512];
  unsigned long from = 0, to = 0;
  int found = 0;
  FILE *smaps = fopen("/proc/self/smaps", "r");
  while (smaps != NULL && fgets(line, sizeof line, smaps)) {
    unsigned long start, end;
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2) from = start, to = end;
    if (strncmp(line, "VmFlags:", 8) == 0 && (uintptr_t)at >= from && (uintptr_t)at < to) found = strstr(line, " bt") != NULL;
  }
  if (smaps != NULL) fclose(smaps);
  return found;
}

void call(int n) {
  static int (*volatile const table[])(int) = {leaf, caller, distant};
  printf("%d %d %d", table[0](n), table[1](n), table[2](n));
  printf("%s\n", is_enforced((void *)table[0]) && is_enforced((void *)table[2]) ? " enforced" : "");
}
