// about: functions that the linker folded into one: a fix of one of them would change the other, and is refused
// matrix: -O1 -ffunction-sections -fuse-ld=gold -Wl,--icf=all | -O1 -ffunction-sections -fuse-ld=lld -Wl,--icf=all
// refused: shares its code with|folded
// before by -mbranch-protection=standard: 6 6 | 9 9
// after by -mbranch-protection=standard: 6 13 | 9 19
// changed by -mbranch-protection=standard: second
#include <stdio.h>

__attribute__((noipa)) int first(int n) { return n * 3 + 3; }
__attribute__((noipa)) static int second(int n) {
  return n * 3 + 3; // before
  return n * 6 + 7; // after
}

void call(int n) {
  int one = first(n);
  printf("%d %d\n", one, second(n));
}
