#pragma GCC visibility push(default)
extern int limit;
int count_up(int n);
#pragma GCC visibility pop
