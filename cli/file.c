/* see file.h */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli.h"
#include "secret.h"

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

static bool reads_as(const char *path, const void *data, size_t n_bytes) {
    struct file_data found = {NULL, 0};
    bool good = file_load(path, n_bytes, &found) && found.n_bytes == n_bytes && memcmp(found.p, data, n_bytes) == 0;
    if (!good) (void)cli_fail("%s: it does not read as it was written", path);
    file_drop(&found);
    return good;
}

bool file_create(const char *path, const void *data, size_t n_bytes) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 && errno == EEXIST) return cli_fail("%s: there is such a file already; it stays as it is", path) == 0;
    bool good = fd >= 0 && file_write(fd, 0, data, n_bytes) && fsync(fd) == 0 && file_sync_folder(path);
    if (!good) (void)cli_fail("%s: %s", path, strerror(errno));
    good = good && reads_as(path, data, n_bytes);
    if (fd >= 0) close(fd);
    if (fd >= 0 && !good) (void)unlink(path);
    return good;
}

bool file_load(const char *path, size_t max_bytes, struct file_data *out) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *why = fd < 0 || fstat(fd, &st) != 0 ? strerror(errno) : NULL;
    if (!why && (!S_ISREG(st.st_mode) || st.st_size > (off_t)max_bytes)) why = "it is no ordinary file, or too long";
    if (!why) {
        *out = (struct file_data){secret_alloc((size_t)st.st_size + 1), (size_t)st.st_size};
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* as it lies on the disk */
        if (!file_read(fd, 0, out->p, out->n_bytes)) why = strerror(errno);
    }
    if (why) (void)cli_fail("%s: %s", path, why);
    if (fd >= 0) close(fd);
    return !why;
}

void file_drop(struct file_data *d) {
    secret_free(d->p, d->n_bytes + 1);
    *d = (struct file_data){NULL, 0};
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
