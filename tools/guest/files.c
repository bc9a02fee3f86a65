/* gt fill, raw-write, raw-check, mwrite: known contents, written and read back. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "gt.h"

/* Files FOLDER/file-00 ...: sector s of file f is gt_sector_fill(f << 32 | s, 0). */
int gt_fill(int argc, char **argv) {
    (void)argc;
    unsigned n_files = (unsigned)strtoul(argv[1], NULL, 0);
    size_t n_bytes = strtoul(argv[2], NULL, 0) * 1024;
    uint8_t *data = gt_buffer(n_bytes);
    for (unsigned f = 0; f < n_files; f++) {
        char path[256];
        snprintf(path, sizeof path, "%s/file-%02u", argv[0], f);
        for (size_t s = 0; s < n_bytes / GT_SECTOR; s++) gt_sector_fill(data + s * GT_SECTOR, (uint64_t)f << 32 | s, 0);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0 || write(fd, data, n_bytes) != (ssize_t)n_bytes || fsync(fd) || close(fd)) gt_die(path);
    }
    return 0;
}

/* One command to the device for each chunk of these many sectors: odd, and larger than one page. */
#define CHUNK_SECTORS 77u

static int open_direct(const char *path) {
    int fd = open(path, O_RDWR | O_DIRECT);
    if (fd < 0) gt_die(path);
    return fd;
}

int gt_raw_write(int argc, char **argv) {
    (void)argc;
    int fd = open_direct(argv[0]);
    uint64_t lba = strtoull(argv[1], NULL, 0), n = strtoull(argv[2], NULL, 0);
    uint8_t *data = gt_buffer(CHUNK_SECTORS * GT_SECTOR);
    for (uint64_t done = 0; done < n;) {
        uint64_t now = n - done < CHUNK_SECTORS ? n - done : CHUNK_SECTORS;
        for (uint64_t s = 0; s < now; s++) gt_sector_fill(data + s * GT_SECTOR, lba + done + s, 1);
        size_t n_bytes = (size_t)now * GT_SECTOR;
        if (pwrite(fd, data, n_bytes, (off_t)((lba + done) * GT_SECTOR)) != (ssize_t)n_bytes) gt_die("write");
        done += now;
    }
    if (fsync(fd)) gt_die("fsync");
    printf("RAW wrote lba=%llu n=%llu\n", (unsigned long long)lba, (unsigned long long)n);
    return 0;
}

int gt_raw_check(int argc, char **argv) {
    (void)argc;
    int fd = open_direct(argv[0]);
    uint64_t lba = strtoull(argv[1], NULL, 0), n = strtoull(argv[2], NULL, 0), n_wrong = 0;
    uint8_t *data = gt_buffer(CHUNK_SECTORS * GT_SECTOR);
    for (uint64_t done = 0; done < n;) {
        uint64_t now = n - done < CHUNK_SECTORS ? n - done : CHUNK_SECTORS;
        size_t n_bytes = (size_t)now * GT_SECTOR;
        if (pread(fd, data, n_bytes, (off_t)((lba + done) * GT_SECTOR)) != (ssize_t)n_bytes) gt_die("read");
        for (uint64_t s = 0; s < now; s++) n_wrong += !gt_sector_ok(data + s * GT_SECTOR, lba + done + s, 1);
        done += now;
    }
    printf("RAW read lba=%llu n=%llu wrong=%llu\n", (unsigned long long)lba, (unsigned long long)n,
           (unsigned long long)n_wrong);
    return n_wrong != 0;
}

/* Records of 4 KiB, each flushed to the medium before its number is printed: whoever cuts the power after reading
 * "MWRITE n" must find records 0..n in FILE. Record n is gt_sector_fill(n * 8 + s, 2), s = 0..7. */
int gt_mwrite(int argc, char **argv) {
    (void)argc;
    enum { SECTORS = 8 };
    unsigned n_records = (unsigned)strtoul(argv[1], NULL, 0);
    int fd = open(argv[0], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int folder = open("/mnt", O_RDONLY | O_DIRECTORY);
    if (fd < 0 || folder < 0 || fsync(folder)) gt_die(argv[0]);
    uint8_t *data = gt_buffer(SECTORS * GT_SECTOR);
    for (unsigned n = 0; n < n_records; n++) {
        for (unsigned s = 0; s < SECTORS; s++) gt_sector_fill(data + s * GT_SECTOR, (uint64_t)n * SECTORS + s, 2);
        if (write(fd, data, SECTORS * GT_SECTOR) != (ssize_t)(SECTORS * GT_SECTOR)) gt_die("write");
        if (fsync(fd)) gt_die("fsync");
        printf("MWRITE %u\n", n);
    }
    return 0;
}
