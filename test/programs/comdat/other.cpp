#include "shared.h"

int other(int n) { return ticket(n); }
