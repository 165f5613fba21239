/*
 * server: answers every byte that comes over a connection to the loopback port that it prints with two, f and g of it,
 * which come from memory that it allocates for the purpose. Four threads serve; a connection stays with its thread.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile int last;
__attribute__((noipa, aligned(4096))) int f(int x) { last = x; return x + 1; }
__attribute__((noipa, aligned(4096))) int g(int x) { last = x; return x + 2; }

static int listener;

static void *serve(void *unused)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = -1};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    (void)unused;
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        unsigned char asked[64];
        int fd;
        ssize_t n;

        if (epoll_wait(epoll, &event, 1, -1) != 1)
            continue; /* any stop breaks it off */
        if (event.data.fd < 0) {
            fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0)
                continue;
            event.events = EPOLLIN;
            event.data.fd = fd;
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
            continue;
        }
        fd = event.data.fd;
        n = read(fd, asked, sizeof asked);
        if (n <= 0) {
            close(fd);
            continue;
        }
        unsigned char *answer = malloc(2 * (size_t)n);
        for (ssize_t i = 0; i < n; i++) {
            answer[2 * i] = (unsigned char)f(asked[i]);
            answer[2 * i + 1] = (unsigned char)g(asked[i]);
        }
        if (write(fd, answer, 2 * (size_t)n) != 2 * n)
            close(fd);
        free(answer);
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    pthread_t t;

    /* A thread that allocates for the first time would get memory of its own, whenever that is. */
    mallopt(M_ARENA_MAX, 1);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 64) < 0)
        abort();
    getsockname(listener, (struct sockaddr *)&address, &size);
    for (int i = 0; i < 3; i++)
        pthread_create(&t, NULL, serve, NULL);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    serve(NULL);
}
