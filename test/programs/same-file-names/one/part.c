static int count = 10;
static int __attribute__((noinline)) step(void) { return ++count; }
int one(void) { return step(); }
