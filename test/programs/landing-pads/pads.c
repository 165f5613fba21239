int adjust(int n);

static volatile int marks;
__attribute__((noipa)) static void mark(void) {
  // before
  marks++; // after
}

/* Its first instruction is a landing pad and no more. */
__attribute__((noipa)) int leaf(int n) {
  return n + 1;  // before
  return n + 10; // after
}

/* It signs its return address first where that is done. */
__attribute__((noipa)) int caller(int n) {
  mark();
  return adjust(n) + 2 + marks;  // before
  return adjust(n) + 20 + marks; // after
}

/* In a page of its own: both are changed in one step. */
__attribute__((noipa, aligned(4096))) int distant(int n) {
  return n + 3;  // before
  return n + 30; // after
}
