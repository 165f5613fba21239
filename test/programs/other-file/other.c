#include "other.h"
int shared_count = 1;
const char *shared_name = "shared";
int add_five(int n) { return n + 5; }
