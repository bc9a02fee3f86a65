/* see device.h */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "cli.h"
#include "journal.h"

#define LINE_BYTES 2048

static bool refuse(const struct device *d, const char *why) { return cli_fail("%s: %s", d->path, why) == CLI_GOOD; }

/* Does path name the disk, or the file, that st is of? */
static bool is_named(const char *path, const struct stat *st) {
    struct stat other;
    if (stat(path, &other) != 0) return false;
    if (S_ISBLK(st->st_mode)) return S_ISBLK(other.st_mode) && other.st_rdev == st->st_rdev;
    return other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

bool device_in_mounts(FILE *mounts, const struct stat *st) {
    char line[LINE_BYTES], source[LINE_BYTES];
    while (fgets(line, sizeof line, mounts)) {
        unsigned major_number, minor_number;
        const char *rest = strstr(line, " - "); /* then: type, source. btrfs has device numbers of its own before it */
        if (sscanf(line, "%*u %*u %u:%u", &major_number, &minor_number) == 2 && S_ISBLK(st->st_mode) &&
            makedev(major_number, minor_number) == st->st_rdev)
            return true;
        if (rest && sscanf(rest, " - %*s %2047s", source) == 1 && source[0] == '/' && is_named(source, st)) return true;
    }
    return false;
}

bool device_in_swaps(FILE *swaps, const struct stat *st) {
    char line[LINE_BYTES], path[LINE_BYTES];
    while (fgets(line, sizeof line, swaps))
        if (sscanf(line, "%2047s", path) == 1 && path[0] == '/' && is_named(path, st)) return true;
    return false;
}

/* A table that cannot be read cannot say that the disk is free. */
static bool in_table(const char *table, bool (*is_in)(FILE *, const struct stat *), const struct stat *st) {
    FILE *f = fopen(table, "re");
    bool found = !f || is_in(f, st);
    if (f) fclose(f);
    return found;
}

static bool measure(struct device *d, const struct stat *st) {
    d->n_bytes = (uint64_t)st->st_size;
    if (S_ISBLK(st->st_mode) && ioctl(d->fd, BLKGETSIZE64, &d->n_bytes) != 0) return refuse(d, strerror(errno));
    if (d->n_bytes < JOURNAL_SECTOR_BYTES) return refuse(d, "it is smaller than a sector");
    if (d->n_bytes % JOURNAL_SECTOR_BYTES) return refuse(d, "its size is no multiple of 512 bytes");
    return true;
}

bool device_open(struct device *d, const char *path, bool writable) {
    struct stat st;
    *d = (struct device){.path = path, .fd = -1};
    if (stat(path, &st) != 0) return refuse(d, strerror(errno));
    if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode)) return refuse(d, "it is neither a disk nor a file");
    if (in_table("/proc/self/mountinfo", device_in_mounts, &st)) return refuse(d, "it is mounted");
    if (in_table("/proc/swaps", device_in_swaps, &st)) return refuse(d, "it is swap space in use");
    /* O_EXCL: the kernel refuses what it uses, a whole disk also when a partition of it is used. */
    d->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | (S_ISBLK(st.st_mode) ? O_EXCL : 0));
    if (d->fd < 0) return refuse(d, errno == EBUSY ? "it, or a partition of it, is in use" : strerror(errno));
    if (flock(d->fd, LOCK_EX | LOCK_NB) != 0) return refuse(d, "another program is using it");
    return measure(d, &st);
}

void device_close(struct device *d) {
    if (d->fd >= 0) close(d->fd);
}
