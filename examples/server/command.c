#include "command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "store.h"

/* What is left of a line while it is taken apart. */
struct words {
    char *at;
    char *end;
};

/* The next word, or NULL at the end of the line. */
static char *next_word(struct words *words)
{
    char *word;

    while (words->at < words->end && *words->at == ' ')
        words->at++;
    if (words->at == words->end)
        return NULL;
    word = words->at;
    while (words->at < words->end && *words->at != ' ')
        words->at++;
    *words->at = '\0'; /* a space or the line's end: both are in the buffer */
    if (words->at < words->end)
        words->at++;
    return word;
}

static void auth(struct connection *c, struct words *words)
{
    char *user = next_word(words);
    char *password = next_word(words);

    if (!user || !password || strlen(user) >= NAME_SIZE) {
        connection_reply(c, "ERR usage: AUTH user password\n");
        return;
    }
    strcpy(c->user, user);
    connection_reply(c, "OK welcome %s\n", c->user);
}

static void set(struct connection *c, struct words *words)
{
    char *key = next_word(words);

    if (!key || words->at >= words->end) {
        connection_reply(c, "ERR usage: SET key text\n");
        return;
    }
    if (store_set(key, words->at, (size_t)(words->end - words->at)))
        connection_reply(c, "OK\n");
    else
        connection_reply(c, "ERR the store is full\n");
}

static void get(struct connection *c, struct words *words)
{
    char *key = next_word(words);
    char text[NOTE_SIZE];
    size_t size;

    if (!key) {
        connection_reply(c, "ERR usage: GET key\n");
        return;
    }
    if (!store_get(key, text, &size)) {
        connection_reply(c, "NONE\n");
        return;
    }
    connection_reply(c, "NOTE ");
    connection_reply_bytes(c, text, size);
    connection_reply(c, "\n");
}

static void drop(struct connection *c, struct words *words)
{
    char *key = next_word(words);

    if (!key)
        connection_reply(c, "ERR usage: DROP key\n");
    else
        connection_reply(c, store_drop(key) ? "OK\n" : "NONE\n");
}

/* ECHO size text: sends `size` bytes of the text back, to measure the way. */
static void echo(struct connection *c, struct words *words)
{
    char *number = next_word(words);
    size_t limit = (size_t)(c->input + INPUT_SIZE - words->at); /* never past the buffer */
    size_t size, i;

    if (!number) {
        connection_reply(c, "ERR usage: ECHO size text\n");
        return;
    }
    size = strtoul(number, NULL, 10);
    if (size > limit)
        size = limit;

    connection_reply(c, "ECHO ");
    for (i = 0; i < size; i++) {
        char byte = isprint((unsigned char)words->at[i]) ? words->at[i] : '.';
        connection_reply_bytes(c, &byte, 1);
    }
    connection_reply(c, "\n");
}

static void count(struct connection *c, struct words *words)
{
    (void)words;
    connection_reply(c, "COUNT %lu\n", c->requests);
}

static void stat(struct connection *c, struct words *words)
{
    (void)words;
    connection_reply(c, "STAT sessions=%lu requests=%lu notes=%zu sweeps=%lu\n", totals.sessions, totals.requests,
                     store_size(), store_sweeps());
}

static void quit(struct connection *c, struct words *words)
{
    (void)words;
    connection_reply(c, "BYE\n");
    c->closing = 1;
}

static const struct {
    const char *name;
    void (*run)(struct connection *c, struct words *words);
} commands[] = {
    { "AUTH", auth },   { "SET", set },   { "GET", get },   { "DROP", drop },
    { "ECHO", echo },   { "COUNT", count }, { "STAT", stat }, { "QUIT", quit },
};

void command_run(struct connection *c, char *line, size_t length)
{
    struct words words = { line, line + length };
    char *name;
    size_t i;

    if (length > 0 && line[length - 1] == '\r')
        words.end--;
    name = next_word(&words);
    if (!name)
        return;
    for (i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            commands[i].run(c, &words);
            return;
        }
    }
    connection_reply(c, "ERR unknown command %s\n", name);
}
