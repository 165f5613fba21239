extern "C" int printf(const char *, ...);

/* One copy of each is linked, with one static variable for the program. */
__attribute__((noipa)) inline int ticket(int n) {
  static int last = 40;
  return last += n;   // before
  return last += 100 * n;   // after
}
