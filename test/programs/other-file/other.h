extern int shared_count;
extern const char *shared_name;
int add_five(int n);
