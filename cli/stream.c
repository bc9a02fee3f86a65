/* see stream.h */
#include "stream.h"

#include <fcntl.h>
#include <unistd.h>
#include "file.h"

static int stream_read(void *ctx, uint64_t offset, void *dst, size_t n_bytes) {
    const struct stream *s = ctx;
    if (!file_read(s->fd, offset, dst, n_bytes)) return -1;
    (void)posix_fadvise(s->fd, (off_t)(offset + n_bytes), (off_t)n_bytes, POSIX_FADV_WILLNEED);
    return 0;
}

static int stream_write(void *ctx, uint64_t offset, const void *src, size_t n_bytes) {
    struct stream *s = ctx;
    s->written = offset;
    s->written_end = offset + n_bytes;
    return file_write(s->fd, offset, src, n_bytes) ? 0 : -1;
}

static int stream_flush(void *ctx) {
    const struct stream *s = ctx;
    if (fdatasync(s->fd) != 0) return -1;
    (void)posix_fadvise(s->fd, (off_t)s->written, (off_t)(s->written_end - s->written), POSIX_FADV_DONTNEED);
    return 0;
}

struct convert_io stream_io(struct stream *s) {
    return (struct convert_io){stream_read, stream_write, stream_flush, s};
}
