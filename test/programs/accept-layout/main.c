// about: a struct that grows at its end, accepted with --accept-layout: objects of before the patch have no such field
// matrix: -g -O0 | -g -O2 | clang -g -O2
// option: --accept-layout job
// warned: accepted: the layout of struct job changes
// before: 1 0 | 2 0
// after: 3 30 | 4 40
// changed: make show
// changed by clang -O2: call make show
#include <stdio.h>
#include <stdlib.h>

struct job {
  int n;
  int weight; // after
};

__attribute__((noipa)) struct job *make(int n) {
  struct job *job = malloc(sizeof *job);
  job->n = n;           // before
  job->n = n + 2;       // after
  job->weight = n * 10 + 20; // after
  return job;
}
__attribute__((noipa)) void show(struct job *job) {
  printf("%d 0\n", job->n);                // before
  printf("%d %d\n", job->n, job->weight);  // after
  free(job);
}
void call(int n) { show(make(n)); }
