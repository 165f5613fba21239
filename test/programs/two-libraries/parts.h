int encode(int n);
int digit(int n);
