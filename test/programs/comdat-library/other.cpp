#include "shared.h"

__attribute__((visibility("default"))) int other(int n) { return ticket(n); }
