static int count = 100;
__attribute__((noinline)) static int step(void) { return ++count; }
int other_step(void) { return step(); }
