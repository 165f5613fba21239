/*
 * The only program of the test's guest: process 1 of a Linux without anything else. It ticks on the serial console,
 * writes and reads back a virtio disk without pause, and keeps the processor busy in between, so that the hypervisor's
 * threads are always somewhere. Each tick says the longest time that the guest did not run since the tick before.
 *
 *     tick NUMBER GAP_US REQUESTS ERRORS
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, PERIOD_NS = 1000 * 1000, PERIODS_PER_TICK = 200 };


static atomic_ulong requests, errors;

static void fail(const char *what)
{
	printf("init: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	sleep(1);
	reboot(RB_POWER_OFF);
}

static int load_module(const struct dirent *entry)
{
	return strstr(entry->d_name, ".ko") != NULL;
}

/* The modules' file names begin with numbers in the order in which they depend on each other. */
static void load_modules(void)
{
	struct dirent **entries;
	int count = scandir("/modules", &entries, load_module, alphasort);
	for (int i = 0; i < count; i++) {
		char path[512];
		snprintf(path, sizeof path, "/modules/%s", entries[i]->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			fail(path);
		close(fd);
	}
}

static int open_disk(void)
{
	for (int tries = 0; tries < 500; tries++) {
		int fd = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		usleep(10 * 1000);
	}
	fail("/dev/vda");
	return -1;
}

/* Writes a block that no other has ever been like, reads it and one written earlier. */
static void *use_disk(void *unused)
{
	(void)unused;
	int fd = open_disk();
	uint64_t size;
	if (ioctl(fd, BLKGETSIZE64, &size) < 0)
		fail("size of /dev/vda");
	uint64_t blocks = size / BLOCK;
	uint64_t *stamps = calloc(blocks, sizeof *stamps), *buffer = aligned_alloc(BLOCK, BLOCK);
	if (stamps == NULL || buffer == NULL)
		fail("memory");
	uint64_t random = 88172645463325252ull;
	for (uint64_t stamp = 1;; stamp++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		uint64_t target = random % blocks, older = (random >> 32) % blocks;
		for (int i = 0; i < BLOCK / 8; i++)
			buffer[i] = stamp * 0x9e3779b97f4a7c15ull + i;
		if (pwrite(fd, buffer, BLOCK, target * BLOCK) != BLOCK)
			errors++;
		else
			stamps[target] = stamp;
		memset(buffer, 0, BLOCK);
		if (pread(fd, buffer, BLOCK, older * BLOCK) != BLOCK)
			errors++;
		else if (stamps[older] != 0)
			for (int i = 0; i < BLOCK / 8; i++)
				if (buffer[i] != stamps[older] * 0x9e3779b97f4a7c15ull + i) {
					errors++;
					break;
				}
		requests += 2;
	}
	return NULL;
}

/* Keeps the processor in translated code. */
static void *compute(void *unused)
{
	(void)unused;
	struct sched_param idle = { 0 };
	pthread_setschedparam(pthread_self(), SCHED_IDLE, &idle);
	for (volatile unsigned long sum = 0;; sum++)
		;
	return NULL;
}

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

int main(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	pthread_t thread;
	if (pthread_create(&thread, NULL, use_disk, NULL) || pthread_create(&thread, NULL, compute, NULL))
		fail("pthread_create");
	struct sched_param real_time = { .sched_priority = 10 };
	sched_setscheduler(0, SCHED_FIFO, &real_time);
	int64_t before = now_ns();
	for (unsigned long tick = 0;; tick++) {
		int64_t longest = 0;
		for (int i = 0; i < PERIODS_PER_TICK; i++) {
			struct timespec pause = { 0, PERIOD_NS };
			nanosleep(&pause, NULL);
			int64_t now = now_ns();
			if (now - before > longest)
				longest = now - before;
			before = now;
		}
		printf("tick %lu %lld %lu %lu\n", tick, (long long)(longest / 1000), requests, errors);
		fflush(stdout);
	}
}
