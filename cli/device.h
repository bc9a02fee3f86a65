/* A disk, a partition, or a file that is the image of one, that nobody else uses. */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

struct device {
    const char *path;
    int fd;
    uint64_t n_bytes; /* a multiple of the sector, not 0 */
};

/* Open it for this program alone. false after a message: it is mounted, swap space, held by the kernel in another way
 * (RAID, LVM, dm-crypt), of no use; its end then is the caller's to close, too. */
bool device_open(struct device *d, const char *path, bool writable);
void device_close(struct device *d);

/* Does a table of the kernel name this disk or file? mounts: as /proc/self/mountinfo; swaps: as /proc/swaps.
 * Source: proc(5). */
bool device_in_mounts(FILE *mounts, const struct stat *st);
bool device_in_swaps(FILE *swaps, const struct stat *st);

#endif
