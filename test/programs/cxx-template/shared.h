template <typename T>
__attribute__((noinline)) T added(T n) {
  return n + 11;   // before
  return n + 21;   // after
}

struct Twice {
  __attribute__((noipa)) int of(int n) const {
    return 4 * n;   // before
    return 5 * n;   // after
  }
};
