#include "janitor.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "store.h"

static struct timespec pause_between;

static void *sweep_forever(void *unused)
{
    (void)unused;
    for (;;) {
        size_t removed = store_sweep(time(NULL));

        if (removed > 0)
            fprintf(stderr, "noted: removed %zu old notes\n", removed);
        nanosleep(&pause_between, NULL);
    }
    return NULL;
}

int janitor_start(int milliseconds)
{
    pthread_t thread;

    pause_between.tv_sec = milliseconds / 1000;
    pause_between.tv_nsec = (long)(milliseconds % 1000) * 1000000L;
    if (pthread_create(&thread, NULL, sweep_forever, NULL) != 0)
        return 0;
    pthread_detach(thread);
    return 1;
}
