#include "part.h"

void other(int n) { Part part{n}; }
Whole *make() { return new Whole; }
