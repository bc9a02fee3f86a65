/* gt stress: threads write and read runs of sectors of random place, length and memory layout, and check every sector
 * they read. Each thread owns a zone of the device, and remembers the generation of each of its sectors. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "gt.h"

enum { ZONE_SECTORS = 16384, RUN_SECTORS = 2048, MAX_PIECES = 24, MAX_THREADS = 16 };

struct zone {
    pthread_t thread;
    int fd;
    uint64_t first_sector, random;
    time_t end;
    uint32_t generation[ZONE_SECTORS]; /* 0: never written */
    unsigned long n_reads, n_writes, n_sectors, n_wrong;
    uint8_t *buffer;
};

/* Cut [buffer, buffer + n_sectors) into pieces of whole sectors that do not follow each other in memory. */
static int pieces_make(struct zone *z, unsigned n_sectors, struct iovec *iov, unsigned *start) {
    int n = 0;
    unsigned at = 0, gap = 0;
    while (at < n_sectors) {
        unsigned left = n_sectors - at;
        unsigned len = n == MAX_PIECES - 1 ? left : 1 + (unsigned)(gt_random(&z->random) % left);
        start[n] = at;
        iov[n].iov_base = z->buffer + (size_t)(at + gap) * GT_SECTOR;
        iov[n].iov_len = (size_t)len * GT_SECTOR;
        at += len;
        gap += 1 + (unsigned)(gt_random(&z->random) % 9);
        n++;
    }
    return n;
}

static void zone_write(struct zone *z, unsigned first, struct iovec *iov, const unsigned *start, int n) {
    for (int i = 0; i < n; i++)
        for (unsigned s = 0; s < iov[i].iov_len / GT_SECTOR; s++) {
            unsigned sector = first + start[i] + s;
            gt_sector_fill((uint8_t *)iov[i].iov_base + s * GT_SECTOR, z->first_sector + sector,
                           ++z->generation[sector]);
        }
    if (pwritev(z->fd, iov, n, (off_t)((z->first_sector + first) * GT_SECTOR)) < 0) gt_die("stress: write");
    z->n_writes++;
}

static void zone_read(struct zone *z, unsigned first, struct iovec *iov, const unsigned *start, int n) {
    if (preadv(z->fd, iov, n, (off_t)((z->first_sector + first) * GT_SECTOR)) < 0) gt_die("stress: read");
    for (int i = 0; i < n; i++)
        for (unsigned s = 0; s < iov[i].iov_len / GT_SECTOR; s++) {
            unsigned sector = first + start[i] + s;
            const uint8_t *data = (const uint8_t *)iov[i].iov_base + s * GT_SECTOR;
            if (z->generation[sector] == 0) continue;
            z->n_sectors++;
            if (gt_sector_ok(data, z->first_sector + sector, z->generation[sector])) continue;
            if (z->n_wrong++ < 4)
                printf("stress: sector %llu generation %u is wrong: %.24s\n",
                       (unsigned long long)(z->first_sector + sector), z->generation[sector], (const char *)data);
        }
    z->n_reads++;
}

static void *zone_run(void *arg) {
    struct zone *z = arg;
    struct iovec iov[MAX_PIECES];
    unsigned start[MAX_PIECES];
    while (time(NULL) < z->end && z->n_wrong == 0) {
        uint64_t r = gt_random(&z->random);
        unsigned most = r & 7 ? 64 : RUN_SECTORS; /* mostly small, sometimes a megabyte */
        unsigned n_sectors = 1 + (unsigned)(gt_random(&z->random) % most);
        unsigned first = (unsigned)(gt_random(&z->random) % (ZONE_SECTORS - n_sectors));
        int n = pieces_make(z, n_sectors, iov, start);
        if (r & 8)
            zone_write(z, first, iov, start, n);
        else
            zone_read(z, first, iov, start, n);
        if ((r >> 8) % 64 == 0) fdatasync(z->fd);
    }
    return NULL;
}

int gt_stress(int argc, char **argv) {
    (void)argc;
    static struct zone zone[MAX_THREADS];
    unsigned n_threads = (unsigned)strtoul(argv[1], NULL, 0), n_failed = 0;
    time_t end = time(NULL) + strtol(argv[2], NULL, 0);
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
    for (unsigned i = 0; i < n_threads; i++) {
        struct zone *z = &zone[i];
        z->fd = open(argv[0], O_RDWR | O_DIRECT);
        if (z->fd < 0) gt_die(argv[0]);
        z->first_sector = (uint64_t)i * ZONE_SECTORS + 7; /* not aligned to anything */
        z->random = i + 1;
        z->end = end;
        z->buffer = gt_buffer((RUN_SECTORS + MAX_PIECES * 10) * GT_SECTOR);
        if (pthread_create(&z->thread, NULL, zone_run, z)) gt_die("thread");
    }
    for (unsigned i = 0; i < n_threads; i++) {
        struct zone *z = &zone[i];
        pthread_join(z->thread, NULL);
        printf("STRESS thread=%u reads=%lu writes=%lu verified_sectors=%lu wrong=%lu\n", i, z->n_reads, z->n_writes,
               z->n_sectors, z->n_wrong);
        n_failed += z->n_wrong != 0 || z->n_reads == 0 || z->n_writes == 0;
    }
    return n_failed != 0;
}
