/*
 * ending CONTROL THREADS: answers a number with f and g of it, until the word in the file CONTROL says otherwise: 1
 * exits, 2 executes this program anew. Begun anew ("ending after") it answers with what shows that. A thread other than
 * the first obeys when there are several.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((noinline, aligned(4096))) int f(int x) { return x + 1; }
__attribute__((noinline, aligned(4096))) int g(int x) { return x + 2; }

static volatile uint32_t *control;
static char **arguments;

static void obey(void)
{
    switch (*control) {
    case 1:
        _exit(0);
    case 2:
        execl("/proc/self/exe", arguments[0], "after", NULL);
        abort();
    }
}

static void *obeying(void *unused)
{
    for (;;)
        obey();
    return unused;
}

static void *sleeping(void *unused)
{
    for (;;)
        usleep(1000);
    return unused;
}

int main(int argc, char **argv)
{
    char line[64];
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    pthread_t t;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "after") == 0) {
        printf("after\n");
        while (fgets(line, sizeof line, stdin))
            printf("after %d %d\n", f(atoi(line)), g(atoi(line)));
        return 0;
    }
    arguments = argv;
    control = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open(argv[1], O_RDWR | O_CLOEXEC), 0);
    if (control == MAP_FAILED)
        abort();
    for (int i = 1; i < threads; i++)
        pthread_create(&t, NULL, i == 1 ? obeying : sleeping, NULL);
    setvbuf(stdin, NULL, _IONBF, 0);
    printf("ready\n");
    for (;;) {
        struct pollfd input = {.fd = 0, .events = POLLIN};
        if (poll(&input, 1, 1) == 1) {
            if (!fgets(line, sizeof line, stdin))
                return 0;
            printf("%d %d\n", f(atoi(line)), g(atoi(line)));
        }
        if (threads == 1)
            obey();
    }
}
