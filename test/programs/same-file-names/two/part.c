static int count = 200;
static int __attribute__((noinline)) step(void) {
  return ++count; // before
  return ++count + 3000; // after
}
int two(void) { return step(); }
