extern int closed;

struct Part {
  int size;
  __attribute__((noipa)) ~Part() {
    closed += size;   // before
    closed += size * 100;   // after
  }
};
struct Whole {
  virtual ~Whole() {
    closed += 1;   // before
    closed += 2;   // after
  }
  Part part{3};
};
