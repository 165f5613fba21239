static int __attribute__((noinline)) triple(int n) { // after
  return n * 3;                                      // after
}                                                    // after
