/* see file.h */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool file_read(int fd, uint64_t offset, void *dst, size_t n_bytes) {
    for (size_t at = 0; at < n_bytes;) {
        ssize_t n = pread(fd, (uint8_t *)dst + at, n_bytes - at, (off_t)(offset + at));
        if (n < 0 && errno != EINTR) return false;
        if (n == 0) {
            memset((uint8_t *)dst + at, 0, n_bytes - at);
            return true;
        }
        if (n > 0) at += (size_t)n;
    }
    return true;
}

bool file_write(int fd, uint64_t offset, const void *src, size_t n_bytes) {
    for (size_t at = 0; at < n_bytes;) {
        ssize_t n = pwrite(fd, (const uint8_t *)src + at, n_bytes - at, (off_t)(offset + at));
        if (n < 0 && errno != EINTR) return false;
        if (n > 0) at += (size_t)n;
    }
    return true;
}

bool file_sync_folder(const char *path) {
    char *copy = strdup(path); /* dirname changes it */
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(copy);
    if (fd < 0) return false;
    bool good = fsync(fd) == 0;
    close(fd);
    return good;
}
