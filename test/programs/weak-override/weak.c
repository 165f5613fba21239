__attribute__((weak)) int step(int n) {
  return n + 1; // before
  return n + 2; // after
}
