#include "connection.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"

struct totals totals;

static struct connection *pool;

struct connection *connection_open(int fd)
{
    struct connection *c = pool;

    if (c)
        pool = c->next;
    else if (!(c = calloc(1, sizeof *c)))
        return NULL;

    c->fd = fd;
    c->closing = 0;
    c->input_used = 0;
    c->output_used = 0;
    c->requests = 0;
    c->user[0] = '\0';
    c->next = NULL;
    totals.sessions++;
    return c;
}

void connection_close(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
    c->next = pool;
    pool = c;
}

void connection_reply_bytes(struct connection *c, const char *bytes, size_t size)
{
    size_t room = OUTPUT_SIZE - c->output_used;

    if (size > room)
        size = room;
    memcpy(c->output + c->output_used, bytes, size);
    c->output_used += size;
}

void connection_reply(struct connection *c, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    if ((size_t)length >= sizeof line)
        length = sizeof line - 1;
    connection_reply_bytes(c, line, (size_t)length);
}

int connection_flush(struct connection *c)
{
    while (c->output_used > 0) {
        ssize_t sent = send(c->fd, c->output, c->output_used, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        c->output_used -= (size_t)sent;
        memmove(c->output, c->output + sent, c->output_used);
    }
    return !c->closing;
}

/* Answers every whole line in the input and keeps the rest, moved to the front. */
static void answer_lines(struct connection *c)
{
    size_t begin = 0;

    while (begin < c->input_used && !c->closing) {
        char *line = c->input + begin;
        char *end = memchr(line, '\n', c->input_used - begin);

        if (!end)
            break;
        c->requests++;
        totals.requests++;
        command_run(c, line, (size_t)(end - line));
        begin = (size_t)(end + 1 - c->input);
    }
    c->input_used -= begin;
    memmove(c->input, c->input + begin, c->input_used);
}

int connection_readable(struct connection *c)
{
    for (;;) {
        size_t room = INPUT_SIZE - c->input_used;
        ssize_t got;

        if (room == 0) {
            connection_reply(c, "ERR line too long\n");
            c->closing = 1;
            return connection_flush(c);
        }
        got = recv(c->fd, c->input + c->input_used, room, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return (errno == EAGAIN || errno == EWOULDBLOCK) && connection_flush(c);
        if (got == 0)
            return 0;
        c->input_used += (size_t)got;
        answer_lines(c);
        if (!connection_flush(c))
            return 0;
    }
}
