/* see bench.h: direct reads and writes, past every cache of the guest's. */
#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE_BYTES  (128u << 10)
#define SMALL_BYTES  4096u
#define TOTAL_BYTES  (32u << 20)
#define N_SMALL      1000u
#define N_PER_DEPTH  2048u /* reads at each depth, all threads together */
#define N_PER_CPU    250u
#define N_PER_DISK   250u
#define SMALL_PLACES 65536u /* of the 256 MiB of a disk */

static const char *path;

struct stream {
    const char *path;
    unsigned n, seed;
};

static int open_disk(const char *name, int how) {
    int fd = open(name, how | O_DIRECT);
    if (fd < 0) bench_die(name);
    return fd;
}

static char *buffer(size_t n_bytes) {
    char *p = aligned_alloc(SMALL_BYTES, n_bytes);
    if (!p) bench_die("memory");
    memset(p, 0x5a, n_bytes);
    return p;
}

static off_t random_place(unsigned *state) {
    *state = *state * 1103515245u + 12345u;
    return (off_t)(*state / 65536 % SMALL_PLACES) * SMALL_BYTES;
}

static void move(bool writing, size_t each, unsigned n, bool random) {
    int fd = open_disk(path, writing ? O_RDWR : O_RDONLY);
    char *data = buffer(each);
    unsigned state = 1;
    for (unsigned i = 0; i < n; i++) {
        off_t at = random ? random_place(&state) : (off_t)(i * each);
        ssize_t done = writing ? pwrite(fd, data, each, at) : pread(fd, data, each, at);
        if (done != (ssize_t)each) bench_die("disk");
    }
    free(data);
    close(fd);
}

static void read_large(void) { move(false, LARGE_BYTES, TOTAL_BYTES / LARGE_BYTES, false); }
static void read_small(void) { move(false, SMALL_BYTES, N_SMALL, true); }
static void write_large(void) { move(true, LARGE_BYTES, TOTAL_BYTES / LARGE_BYTES, false); }
static void write_small(void) { move(true, SMALL_BYTES, N_SMALL, true); }

void disk_all(const char *device) {
    path = device;
    bench_measure("read 128 KiB", read_large);
    bench_measure("read 4 KiB", read_small);
    bench_measure("write 128 KiB", write_large);
    bench_measure("write 4 KiB", write_small);
}

static void *read_stream(void *arg) {
    struct stream *s = arg;
    int fd = open_disk(s->path, O_RDONLY);
    char *data = buffer(SMALL_BYTES);
    for (unsigned i = 0; i < s->n; i++)
        if (pread(fd, data, SMALL_BYTES, random_place(&s->seed)) != SMALL_BYTES) bench_die("disk");
    free(data);
    close(fd);
    return NULL;
}

static unsigned width;

static void read_by_threads(void) {
    pthread_t thread[64];
    struct stream stream[64];
    for (unsigned i = 0; i < width; i++) {
        stream[i] = (struct stream){path, N_PER_DEPTH / width, i + 1};
        if (pthread_create(&thread[i], NULL, read_stream, &stream[i])) bench_die("thread");
    }
    for (unsigned i = 0; i < width; i++) pthread_join(thread[i], NULL);
}

static void measure_number(const char *what, unsigned n, void (*fn)(void)) {
    char name[40];
    snprintf(name, sizeof name, "%s %u", what, n);
    width = n;
    bench_measure(name, fn);
}

void disk_depth(const char *device, unsigned n_threads) {
    path = device;
    if (n_threads == 0 || n_threads > 64) bench_die("depth");
    measure_number("depth", n_threads, read_by_threads);
}

static void on_each(void (*fn)(unsigned)) {
    for (unsigned i = 0; i < width; i++)
        if (fork() == 0) {
            fn(i);
            _exit(0);
        }
    for (int status; wait(&status) > 0;)
        if (status) bench_die("a process");
}

static void pin(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) bench_die("affinity");
}

static void compute_on(unsigned cpu) {
    pin(cpu);
    work_integer();
}

static void read_on(unsigned cpu) {
    struct stream s = {path, N_PER_CPU, cpu + 1};
    pin(cpu);
    read_stream(&s);
}

static void compute_all(void) { on_each(compute_on); }
static void read_all(void) { on_each(read_on); }

void disk_smp(const char *device, unsigned n_cpus) {
    path = device;
    measure_number("integer loops", n_cpus, compute_all);
    measure_number("reads", n_cpus, read_all);
}

static void read_disk(unsigned i) {
    char name[16];
    struct stream s = {name, N_PER_DISK, i + 1};
    snprintf(name, sizeof name, "/dev/sd%c", 'a' + i);
    read_stream(&s);
}

static void read_disks(void) { on_each(read_disk); }

void disk_several(unsigned n_disks) { measure_number("disks", n_disks, read_disks); }
