/* A client's connection: bytes in, lines to the command layer, bytes out. */
#ifndef NOTED_CONNECTION_H
#define NOTED_CONNECTION_H

#include <stddef.h>

enum { INPUT_SIZE = 4096, OUTPUT_SIZE = 16384, NAME_SIZE = 32 };

struct connection {
    int fd;
    int closing;                 /* close when the output is out */
    size_t input_used;
    size_t output_used;
    unsigned long requests;      /* in this session */
    char user[NAME_SIZE];        /* empty until AUTH */
    struct connection *next;     /* in the pool of unused ones */
    char input[INPUT_SIZE];
    char output[OUTPUT_SIZE];
};

/* What all sessions together have done. */
struct totals {
    unsigned long sessions;
    unsigned long requests;
};
extern struct totals totals;

/* Takes a connection from the pool, or makes one. NULL if there is no memory. */
struct connection *connection_open(int fd);

/* Closes the socket and gives the connection back to the pool. */
void connection_close(struct connection *c);

/* Reads what has arrived and answers every whole line. Returns 0 when the connection is over. */
int connection_readable(struct connection *c);

/* Sends what waits. Returns 0 when the connection is over. */
int connection_flush(struct connection *c);

/* Appends to the output; what does not fit is cut off. */
void connection_reply(struct connection *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void connection_reply_bytes(struct connection *c, const char *bytes, size_t size);

#endif
