#include "shared.h"
int two(int n) { return BASE + 20 + n; }
int three(int n) { return n * 3; }
