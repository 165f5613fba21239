#include "shared.h"

int otherAdded(int n) { return added(n); }
int otherTwice(int n) { return Twice().of(n); }
