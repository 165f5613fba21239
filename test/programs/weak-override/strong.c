int step(int n);
int step(int n) {
  return n * n + 100; // before
  return n * n + 110; // after
}
