/* gt ticks: how long the kernel's clock stood still while large commands, several at once, were on their way to the
 * disk and back. The kernel's own timer interrupts write down the time, as samples of a clock event, whatever runs
 * meanwhile; the longest time between two of them is printed. One processor. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "gt.h"

enum { PERIOD_US = 200, RING_PAGES = 1024, HUGE_BYTES = 2 << 20, COMMAND_BYTES = 2 << 20, N_AT_ONCE = 4 };

struct tick {
    struct perf_event_header header;
    uint64_t ns;
};

static struct perf_event_mmap_page *start_ticks(int *out_fd) {
    struct perf_event_attr attr = {.size = sizeof attr,
                                   .type = PERF_TYPE_SOFTWARE,
                                   .config = PERF_COUNT_SW_CPU_CLOCK,
                                   .sample_period = PERIOD_US * 1000,
                                   .sample_type = PERF_SAMPLE_TIME,
                                   .use_clockid = 1,
                                   .clockid = CLOCK_MONOTONIC,
                                   .disabled = 1};
    int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
    if (fd < 0) gt_die("perf_event_open");
    void *ring = mmap(NULL, (1 + RING_PAGES) * 4096ul, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED) gt_die("the ring of samples");
    if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) gt_die("enable");
    *out_fd = fd;
    return ring;
}

/* In physically contiguous pieces, so that commands can be as large as the driver makes them. */
static uint8_t *command_buffer(void) {
    uint8_t *p = mmap(NULL, COMMAND_BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) gt_die("memory");
    p += HUGE_BYTES - (uintptr_t)p % HUGE_BYTES;
    (void)madvise(p, COMMAND_BYTES, MADV_HUGEPAGE);
    for (unsigned s = 0; s < COMMAND_BYTES / GT_SECTOR; s++) gt_sector_fill(p + s * GT_SECTOR, s, 9);
    return p;
}

static void write_and_read(const char *device, uint8_t *data, off_t at) {
    int fd = open(device, O_RDWR | O_DIRECT);
    if (fd < 0) gt_die(device);
    if (pwrite(fd, data, COMMAND_BYTES, at) != COMMAND_BYTES) gt_die("write");
    memset(data, 0, COMMAND_BYTES);
    if (pread(fd, data, COMMAND_BYTES, at) != COMMAND_BYTES) gt_die("read");
    for (unsigned s = 0; s < COMMAND_BYTES / GT_SECTOR; s++)
        if (!gt_sector_ok(data + s * GT_SECTOR, s, 9)) gt_die("what was read is not what was written");
    close(fd);
}

static void all_at_once(const char *device, unsigned n_times) {
    pid_t child[N_AT_ONCE];
    for (unsigned i = 0; i < N_AT_ONCE; i++) {
        child[i] = fork();
        if (child[i] < 0) gt_die("fork");
        if (child[i] > 0) continue;
        uint8_t *data = command_buffer();
        for (unsigned k = 0; k < n_times; k++) write_and_read(device, data, (off_t)i * COMMAND_BYTES);
        _exit(0);
    }
    for (unsigned i = 0; i < N_AT_ONCE; i++) {
        int status;
        if (waitpid(child[i], &status, 0) < 0 || status != 0) gt_die("a child");
    }
}

int gt_ticks(int argc, char **argv) {
    int fd;
    (void)argc;
    struct perf_event_mmap_page *ring = start_ticks(&fd);
    all_at_once(argv[0], (unsigned)atoi(argv[1]));
    if (ioctl(fd, PERF_EVENT_IOC_DISABLE, 0)) gt_die("disable");

    const uint8_t *records = (const uint8_t *)ring + ring->data_offset;
    uint64_t end = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE), last = 0, gap = 0;
    unsigned n = 0;
    for (uint64_t at = 0; at < end;) {
        struct tick t;
        memcpy(&t, records + at, sizeof t);
        if (end > ring->data_size || t.header.type != PERF_RECORD_SAMPLE) {
            printf("ticks: a record of kind %u among %u samples, %lu bytes\n", t.header.type, n, (unsigned long)end);
            return 1;
        }
        if (n++ > 0 && t.ns - last > gap) gap = t.ns - last;
        last = t.ns;
        at += t.header.size;
    }
    printf("TICKS %u, one every %u us, longest gap %lu us\n", n, PERIOD_US, (unsigned long)(gap / 1000));
    return n > 100 ? 0 : 1;
}
