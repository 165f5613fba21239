__attribute__((noipa)) static int counted(int n) {
  static int calls;
  (void)n;
  calls++;
  return calls;       // before
  return calls + 100; // after
}
