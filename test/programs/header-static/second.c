#include "counted.h"
int second(int n);
int second(int n) {
  __asm__ volatile("");
  return counted(n);
}
