namespace {
int count = 100;
__attribute__((noipa)) int step(int n) { return count += n; }
}

int other(int n) { return step(n); }
