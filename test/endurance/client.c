/*
 * client PORT PHASE: asks the server without pause, over a connection that stays and over new ones, and checks each
 * answer against the word in the file PHASE: 0 the functions are the old ones, 1 the new ones, 2 they are being changed;
 * the upper bits count the changes. It ends with its input and prints requests, failures, answers that were certain.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in server = {.sin_family = AF_INET};

static int connected(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
        return -1;
    return fd;
}

/* 1 if the answer is one that may be. */
static int ask(int fd, volatile uint32_t *phase, unsigned char value, unsigned long *certain)
{
    unsigned char answer[2];
    uint32_t before = *phase, after;
    int is_old[2], is_new[2];

    if (write(fd, &value, 1) != 1 || recv(fd, answer, 2, MSG_WAITALL) != 2)
        return 0;
    __sync_synchronize();
    after = *phase;
    for (int i = 0; i < 2; i++) {
        is_old[i] = answer[i] == (unsigned char)(value + 1 + i);
        is_new[i] = answer[i] == (unsigned char)(value + 10 * (1 + i));
        if (!is_old[i] && !is_new[i])
            return 0;
    }
    if (before != after || (before & 3) == 2)
        return 1;
    ++*certain;
    return (before & 3) == 0 ? is_old[0] && is_old[1] : is_new[0] && is_new[1];
}

int main(int argc, char **argv)
{
    unsigned long requests = 0, failed = 0, certain = 0;
    struct pollfd input = {.fd = 0, .events = POLLIN};
    volatile uint32_t *phase;
    int kept;

    if (argc != 3)
        return 2;
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    phase = mmap(NULL, 4096, PROT_READ, MAP_SHARED, open(argv[2], O_RDONLY), 0);
    kept = connected();
    while (poll(&input, 1, 0) == 0) {
        for (int i = 0; i < 16; i++, requests++)
            failed += !ask(kept, phase, (unsigned char)(requests * 7), &certain);
        int fd = connected();
        failed += fd < 0 || !ask(fd, phase, (unsigned char)requests, &certain);
        requests++;
        close(fd);
        usleep(200);
    }
    printf("%lu %lu %lu\n", requests, failed, certain);
}
