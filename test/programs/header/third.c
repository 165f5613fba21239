#include "shared.h"
int untouched(int n) { return n - 1; }
