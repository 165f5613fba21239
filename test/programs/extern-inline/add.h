static inline int add(int a, int b) {
  return a + b;      // before
  return a + b + 10; // after
}
