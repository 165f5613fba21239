/*
 * victim SHARED STORM STATE…: one thread for each state, the first of them the main thread. Each calls the functions
 * that patches change, again and again, and says in its slot of the file SHARED what it saw of them, and what of its
 * own work came out wrong. "STATE:small" has the smallest stack, "STATE:guard" one whose guard is no mapping of its own.
 * With STORM other than 0 a timer signal comes every millisecond.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static volatile int last;
FUNCTION int f(int x) { last = x; return x + 1; }
FUNCTION int g(int x) { last = x; return x + 2; }
#ifdef ELSEWHERE
int h(int x);
#else
FUNCTION int h(int x) { last = x; return x + 3; }
#endif

enum { OLD, NEW, MIXED, NEITHER };

struct slot {
    volatile uint64_t rounds, wrong, mixed;
    /* The epoch of the last look, and what it saw. */
    volatile uint32_t epoch, seen;
};

static struct {
    /* Changed by whoever watches, before and after each command. */
    volatile uint32_t epoch;
    volatile uint32_t active;
    volatile uint32_t ticks;
    uint32_t pad;
    struct slot slots[256];
} *shared;

static int storm;

static int version(int value, int old, int new)
{
    return value == old ? OLD : value == new ? NEW : NEITHER;
}

static void look(struct slot *s)
{
    uint32_t epoch = shared->epoch;
    int first = version(f(7), 8, 17), second = version(g(7), 9, 27), third = version(h(7), 10, 37);
    int again = version(f(7), 8, 17);

    if (first == NEITHER || second == NEITHER || third == NEITHER || again == NEITHER)
        s->wrong++;
    __sync_synchronize();
    if (epoch != shared->epoch)
        return;
    /* One command in an epoch: nothing can have changed in between and been changed back. */
    if (first == again && (second != first || third != first))
        s->mixed++;
    s->seen = first == second && second == third && third == again ? (uint32_t)first : MIXED;
    __sync_synchronize();
    s->epoch = epoch;
}

static void bad(struct slot *s) { s->wrong++; }

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Ends a round; while nobody is interested it leaves the processor to others. */
static void done(struct slot *s)
{
    look(s);
    s->rounds++;
    if (!shared->active) {
        struct timespec t = {0, 200000000};
        nanosleep(&t, NULL);
    }
}

static int ticking(void)
{
    struct itimerspec every = {{0, 2000000}, {0, 2000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    timerfd_settime(fd, 0, &every, NULL);
    return fd;
}

static void *in_read(void *p)
{
    uint64_t expirations;
    for (int fd = ticking();; done(p))
        if (read(fd, &expirations, 8) != 8 || expirations == 0)
            bad(p);
}

static void *in_futex(void *p)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t c;
    pthread_condattr_t a;

    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&c, &a);
    pthread_mutex_lock(&m);
    for (;; done(p)) {
        int64_t until = now() + 2000000;
        struct timespec t = {until / 1000000000, until % 1000000000};
        int e = pthread_cond_timedwait(&c, &m, &t);
        if (e != ETIMEDOUT && e != 0)
            bad(p);
        if (e == ETIMEDOUT && now() < until)
            bad(p);
    }
}

static void *in_nanosleep(void *p)
{
    struct timespec t = {0, 2000000};
    for (;; done(p)) {
        int64_t from = now();
        int e = nanosleep(&t, NULL);
        if (e != 0 && !(storm && errno == EINTR))
            bad(p);
        if (e == 0 && now() - from < 2000000)
            bad(p);
    }
}

static void *in_poll(void *p)
{
    struct pollfd one = {.fd = ticking(), .events = POLLIN};
    uint64_t expirations;
    for (;; done(p)) {
        int n = poll(&one, 1, 5000);
        if (n == 1 ? read(one.fd, &expirations, 8) != 8 : !(storm && n < 0 && errno == EINTR))
            bad(p);
    }
}

static void *in_epoll(void *p)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = ticking(), epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t expirations;

    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    for (;; done(p)) {
        int n = epoll_wait(epoll, &event, 1, 5000);
        /* Any stop breaks it off (signal(7)). */
        if (n == 1 ? read(fd, &expirations, 8) != 8 : !(n < 0 && errno == EINTR))
            bad(p);
    }
}

static int sums(int rounds)
{
    double d = 0.5;
    uint64_t h1 = 14695981039346656037u, h2 = h1;

    for (int i = 0; i < rounds; i++) {
        d = d * 0.5 + 1.0;
        h1 = (h1 ^ (uint64_t)i) * 1099511628211u;
    }
    for (int i = 0; i < rounds; i++)
        h2 = (h2 ^ (uint64_t)i) * 1099511628211u;
    return h1 == h2 && (rounds < 100 || d == 2.0);
}

static void *in_spin(void *p)
{
    for (;; done(p))
        if (!sums(100000))
            bad(p);
}

static __thread struct slot *volatile mine;

static void on_signal(int n)
{
    char canary[64];

    memset(canary, n, sizeof canary);
    __asm__ volatile("" ::"r"(canary) : "memory");
    if (!sums(20000))
        bad(mine);
    look(mine);
    for (unsigned i = 0; i < sizeof canary; i++)
        if (canary[i] != n)
            bad(mine);
}

static void *in_handler(void *p)
{
    stack_t alternate = {.ss_sp = malloc(32768), .ss_size = 32768};

    mine = p;
    sigaltstack(&alternate, NULL);
    for (;; done(p))
        pthread_kill(pthread_self(), SIGUSR1);
}

/* Numbered signals from a thread of its own must come whole and in order. */
static __thread volatile int next_number;

static void on_number(int n, siginfo_t *info, void *context)
{
    (void)n;
    (void)context;
    if (info->si_value.sival_int != next_number)
        bad(mine);
    next_number++;
    look(mine);
    mine->rounds++;
}

static void *number(void *receiver)
{
    for (int i = 0;; i++) {
        union sigval value = {.sival_int = i};
        struct timespec t = {0, shared->active ? 500000 : 200000000};
        while (pthread_sigqueue(*(pthread_t *)receiver, SIGRTMIN + 3, value) != 0)
            usleep(1000);
        nanosleep(&t, NULL);
    }
}

static void *in_queue(void *p)
{
    pthread_t self = pthread_self(), t;
    int fds[2];
    char byte;
    sigset_t all, before;

    mine = p;
    if (pipe2(fds, O_CLOEXEC))
        abort();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_create(&t, NULL, number, &self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    /* SA_RESTART: nothing ever comes. */
    while (read(fds[0], &byte, 1) < 0 && errno == EINTR)
        ;
    abort();
}

static void on_tick(int n)
{
    (void)n;
    shared->ticks++;
}

static void *(*named(const char *name))(void *)
{
    static const struct {
        const char *name;
        void *(*run)(void *);
    } states[] = {{"read", in_read}, {"futex", in_futex}, {"nanosleep", in_nanosleep}, {"epoll", in_epoll},
                  {"poll", in_poll}, {"spin", in_spin},   {"handler", in_handler},     {"queue", in_queue}};
    for (unsigned i = 0; i < sizeof states / sizeof *states; i++)
        if (strncmp(name, states[i].name, strlen(states[i].name)) == 0)
            return states[i].run;
    abort();
}

static void give_stack(pthread_attr_t *attributes, const char *state)
{
    const char *kind = strchr(state, ':');
    size_t size = 65536;
    char *stack;

    pthread_attr_init(attributes);
    pthread_attr_setstacksize(attributes, kind != NULL && strcmp(kind, ":small") == 0 ? 16384 : 131072);
    if (kind == NULL || strcmp(kind, ":guard") != 0)
        return;
    stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (madvise(stack, 4096, MADV_GUARD_INSTALL) != 0)
        mprotect(stack, 4096, PROT_NONE);
    pthread_attr_setstack(attributes, stack, size);
}

int main(int argc, char **argv)
{
    struct sigaction handler = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
    struct sigaction numbers = {.sa_sigaction = on_number, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 1000}, {0, 1000}};
    int fd = open(argv[1], O_RDWR | O_CLOEXEC);

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED || argc < 4)
        abort();
    storm = atoi(argv[2]);
    sigaction(SIGUSR1, &handler, NULL);
    sigaction(SIGRTMIN + 3, &numbers, NULL);
    sigaction(SIGALRM, &tick, NULL);
    if (storm)
        setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 4; i < argc; i++) {
        pthread_attr_t attributes;
        pthread_t t;
        give_stack(&attributes, argv[i]);
        if (pthread_create(&t, &attributes, named(argv[i]), &shared->slots[i - 3]) != 0)
            abort();
    }
    named(argv[3])(&shared->slots[0]);
}
