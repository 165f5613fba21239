static __thread int count;
int step(void) {
  return ++count; // before
  return ++count + 1000; // after
}
