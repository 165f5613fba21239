/* The notes: a hash table with a lifetime for each note, shared by all threads. */
#ifndef NOTED_STORE_H
#define NOTED_STORE_H

#include <stddef.h>
#include <time.h>

enum { KEY_SIZE = 64, NOTE_SIZE = 512 };

/* Sets how many seconds a note lives after it was last written. */
void store_keep(time_t seconds);

/* Writes a note; text longer than NOTE_SIZE is cut. Returns 0 when there is no memory. */
int store_set(const char *key, const char *text, size_t size);

/* Copies a note of at most NOTE_SIZE bytes. Returns 0 when there is none. */
int store_get(const char *key, char *text, size_t *size);

/* Removes a note. Returns 0 when there was none. */
int store_drop(const char *key);

/* Removes notes whose time is over; returns how many. */
size_t store_sweep(time_t now);

size_t store_size(void);
unsigned long store_sweeps(void);

#endif
