/* The thread that removes old notes. */
#ifndef NOTED_JANITOR_H
#define NOTED_JANITOR_H

/* Starts the thread; it sweeps every `milliseconds`. Returns 0 when it cannot be started. */
int janitor_start(int milliseconds);

#endif
