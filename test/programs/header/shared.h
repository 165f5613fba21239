#define BASE 0   // before
#define BASE 100 // after
