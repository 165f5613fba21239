int two(int n);
int helper(int n); // after
