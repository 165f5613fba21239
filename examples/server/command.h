/* The protocol: one line in, one line out. */
#ifndef NOTED_COMMAND_H
#define NOTED_COMMAND_H

#include <stddef.h>

struct connection;

/* Answers one line of `length` bytes (without the newline, which follows it in memory). */
void command_run(struct connection *c, char *line, size_t length);

#endif
