#include "store.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct note {
    struct note *next;
    time_t written;
    size_t size;
    char key[KEY_SIZE];
    char text[NOTE_SIZE];
};

enum { BUCKETS = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct note *buckets[BUCKETS];
static size_t notes;
static unsigned long sweeps;
static time_t lifetime = 3600;

/* FNV-1a, 32 bits. */
static uint32_t hash(const char *key)
{
    uint32_t h = 2166136261u;

    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 16777619u;
    return h;
}

/* The link that points to the note of this key, or the one at the end of its bucket. */
static struct note **find(const char *key)
{
    struct note **link = &buckets[hash(key) % BUCKETS];

    while (*link && strncmp((*link)->key, key, KEY_SIZE - 1) != 0)
        link = &(*link)->next;
    return link;
}

void store_keep(time_t seconds)
{
    lifetime = seconds;
}

int store_set(const char *key, const char *text, size_t size)
{
    struct note *note;
    struct note **link;

    if (size > NOTE_SIZE)
        size = NOTE_SIZE;
    pthread_mutex_lock(&lock);
    link = find(key);
    note = *link;
    if (!note && (note = calloc(1, sizeof *note))) {
        strncpy(note->key, key, KEY_SIZE - 1);
        *link = note;
        notes++;
    }
    if (note) {
        memcpy(note->text, text, size);
        note->size = size;
        note->written = time(NULL);
    }
    pthread_mutex_unlock(&lock);
    return note != NULL;
}

int store_get(const char *key, char *text, size_t *size)
{
    struct note *note;

    pthread_mutex_lock(&lock);
    note = *find(key);
    if (note) {
        memcpy(text, note->text, note->size);
        *size = note->size;
    }
    pthread_mutex_unlock(&lock);
    return note != NULL;
}

/* Takes the note out that this link points to. */
static void unlink_note(struct note **link)
{
    struct note *note = *link;

    *link = note->next;
    free(note);
    notes--;
}

int store_drop(const char *key)
{
    struct note **link;
    int found;

    pthread_mutex_lock(&lock);
    link = find(key);
    found = *link != NULL;
    if (found)
        unlink_note(link);
    pthread_mutex_unlock(&lock);
    return found;
}

size_t store_sweep(time_t now)
{
    size_t removed = 0;
    size_t i;

    pthread_mutex_lock(&lock);
    for (i = 0; i < BUCKETS; i++) {
        struct note **link = &buckets[i];

        while (*link) {
            if (now - (*link)->written > lifetime) {
                unlink_note(link);
                removed++;
            } else {
                link = &(*link)->next;
            }
        }
    }
    sweeps++;
    pthread_mutex_unlock(&lock);
    return removed;
}

size_t store_size(void)
{
    size_t size;

    pthread_mutex_lock(&lock);
    size = notes;
    pthread_mutex_unlock(&lock);
    return size;
}

unsigned long store_sweeps(void)
{
    unsigned long n;

    pthread_mutex_lock(&lock);
    n = sweeps;
    pthread_mutex_unlock(&lock);
    return n;
}
