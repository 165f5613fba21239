/*
 * The floor of the stop benchmark: what it costs to seize, interrupt, collect and detach every thread of a process
 * and to do nothing else. Prints the microseconds from the first interrupt to the last detach.
 *
 *   stop-floor PID TIMES
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int list_threads(int pid, int *tids, int most) {
  char path[64];
  int count = 0;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *folder = opendir(path);
  if (!folder) return -1;
  for (struct dirent *entry; (entry = readdir(folder)) && count < most;) {
    if (entry->d_name[0] != '.') tids[count++] = atoi(entry->d_name);
  }
  closedir(folder);
  return count;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  static int tids[65536];
  if (argc != 3) return 2;
  int pid = atoi(argv[1]);
  for (int left = atoi(argv[2]); left > 0; left--) {
    int count = list_threads(pid, tids, 65536);
    if (count < 1) fail("task");
    for (int i = 0; i < count; i++)
      if (ptrace(PTRACE_SEIZE, tids[i], 0, PTRACE_O_TRACECLONE)) fail("seize");
    struct sched_param high = {.sched_priority = 1}, normal = {.sched_priority = 0};
    sched_setscheduler(0, SCHED_FIFO, &high);
    double start = now();
    for (int i = 0; i < count; i++)
      if (ptrace(PTRACE_INTERRUPT, tids[i], 0, 0)) fail("interrupt");
    for (int i = 0; i < count; i++) {
      int status;
      if (waitpid(tids[i], &status, __WALL) != tids[i]) fail("wait");
    }
    for (int i = 0; i < count; i++)
      if (ptrace(PTRACE_DETACH, tids[i], 0, 0)) fail("detach");
    double end = now();
    sched_setscheduler(0, SCHED_OTHER, &normal);
    printf("%.1f\n", end - start);
    fflush(stdout);
    usleep(20000);
  }
  return 0;
}
