int step(int n); // before
int step(int n) { return n + 1; } // before
int step(int n, int times); // after
int step(int n, int times) { return n + 1 + 100 * times; } // after
