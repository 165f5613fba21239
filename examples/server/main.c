/* noted [PORT]: serves notes on the loopback address; port 0 takes a free one. The port goes to standard output. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "janitor.h"
#include "store.h"

enum { EVENTS = 64, SWEEP_MILLISECONDS = 50, KEEP_SECONDS = 3600 };

static void die(const char *what)
{
    fprintf(stderr, "noted: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int listen_on(unsigned short port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(fd, SOMAXCONN) < 0)
        die("listen");
    return fd;
}

static void announce(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        die("getsockname");
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void accept_all(int epoll, int listener)
{
    for (;;) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
        struct connection *c;
        int one = 1;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c = connection_open(fd);
        if (!c) {
            close(fd);
            return;
        }
        event.data.ptr = c;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            connection_close(c);
    }
}

static void serve(int listener)
{
    struct epoll_event events[EVENTS];
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll");
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        int i;

        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;

            if (!c)
                accept_all(epoll, listener);
            else if (!connection_readable(c))
                connection_close(c);
        }
    }
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc > 1 ? (unsigned short)atoi(argv[1]) : 0);

    store_keep(KEEP_SECONDS);
    if (!janitor_start(SWEEP_MILLISECONDS))
        die("the janitor's thread");
    announce(listener);
    serve(listener);
}
