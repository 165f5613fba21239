static __thread char room[100000];
static __thread int count;
int step(int n);
int step(int n) {
  room[n]++;
  return ++count; // before
  return ++count + 1000; // after
}
