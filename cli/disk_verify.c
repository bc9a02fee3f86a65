/* sekisho disk verify: read all of an encrypted disk, and say what can be said. See command.h */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli.h"
#include "command.h"
#include "contents.h"
#include "disk.h"
#include "progress.h"
#include "secret.h"
#include "stream.h"

#define NOWHERE UINT64_MAX

struct findings {
    uint64_t uneven, first_uneven; /* samples that do not look like ciphertext; where */
    uint64_t differs;              /* where from the image; NOWHERE */
};

/* One chunk, at offset. */
static void examine(struct findings *f, uint64_t offset, const uint8_t *chunk, size_t n_bytes) {
    for (size_t at = 0; n_bytes - at >= CONTENTS_SAMPLE; at += CONTENTS_SAMPLE) {
        if (contents_even(chunk + at)) continue;
        if (f->uneven++ == 0) f->first_uneven = offset + at;
    }
}

static void compare(struct findings *f, uint64_t offset, const uint8_t *a, const uint8_t *b, size_t n_bytes) {
    for (size_t at = 0; at < n_bytes && f->differs == NOWHERE; at += CRYPT_XTS_UNIT_BYTES)
        if (memcmp(a + at, b + at, CRYPT_XTS_UNIT_BYTES) != 0) f->differs = offset + at;
}

/* All of it; image: NULL if there is none to compare with. 0, or an enum convert_error. */
static int read_all(const struct disk *d, const struct convert_io *disk, const struct convert_io *image,
                    struct findings *f) {
    uint8_t *buffer = secret_alloc(2ul * DISK_CHUNK_BYTES);
    struct progress p;
    int err = 0;
    progress_begin(&p, "verify", 0, d->device.n_bytes);
    for (uint64_t at = 0; !err && at < d->device.n_bytes; at += DISK_CHUNK_BYTES) {
        uint64_t left = d->device.n_bytes - at;
        size_t n = left < DISK_CHUNK_BYTES ? (size_t)left : DISK_CHUNK_BYTES;
        if (disk->read(disk->ctx, at, buffer, n) != 0) err = cli_fail("%s: %s", d->device.path, strerror(errno));
        if (!err) examine(f, at, buffer, n);
        if (!err && image) {
            crypt_xts_decrypt(d->xts, at / CRYPT_XTS_UNIT_BYTES, buffer, buffer, n / CRYPT_XTS_UNIT_BYTES);
            if (image->read(image->ctx, at, buffer + DISK_CHUNK_BYTES, n) != 0) err = cli_fail("%s", strerror(errno));
            if (!err) compare(f, at, buffer, buffer + DISK_CHUNK_BYTES, n);
        }
        progress_tell(&p, at + n);
    }
    progress_end(&p);
    secret_free(buffer, 2ul * DISK_CHUNK_BYTES);
    return err;
}

static int report(const struct findings *f, const char *decrypted, const char *against) {
    int code = CLI_GOOD;
    printf("decrypted, it holds %s\n", decrypted ? decrypted : "nothing that is known");
    if (!decrypted && !against) code = CLI_FAILED;
    if (f->uneven == 0) {
        printf("all of it looks like ciphertext\n");
    } else {
        code = CLI_FAILED;
        printf("%" PRIu64 " pieces of %u KiB do not look like ciphertext, the first from sector %" PRIu64 "\n",
               f->uneven, CONTENTS_SAMPLE / 1024, f->first_uneven / CRYPT_XTS_UNIT_BYTES);
    }
    if (!against) return code;
    if (f->differs == NOWHERE) {
        printf("decrypted, it is equal to %s\n", against);
        return code;
    }
    printf("decrypted, it differs from %s, first in sector %" PRIu64 "\n", against, f->differs / CRYPT_XTS_UNIT_BYTES);
    return CLI_FAILED;
}

static int verify(const struct disk *d, const char *against) {
    struct stream disk = {.fd = d->device.fd}, image = {.fd = -1};
    const struct convert_io disk_io = stream_io(&disk), image_io = stream_io(&image);
    struct findings f = {.differs = NOWHERE};
    const char *raw, *decrypted;
    if (access(d->journal, F_OK) == 0)
        return cli_fail("%s: a conversion is not finished; the same command again goes on", d->journal);
    if (!disk_holds(d, &raw, &decrypted)) return CLI_FAILED;
    if (against) {
        image.fd = open(against, O_RDONLY | O_CLOEXEC);
        if (image.fd < 0) return cli_fail("%s: %s", against, strerror(errno));
        if (lseek(image.fd, 0, SEEK_END) != (off_t)d->device.n_bytes) {
            close(image.fd);
            return cli_fail("%s: it is not as long as %s", against, d->device.path);
        }
    }
    int code = read_all(d, &disk_io, against ? &image_io : NULL, &f);
    if (image.fd >= 0) close(image.fd);
    return code ? CLI_FAILED : report(&f, decrypted, against);
}

int disk_verify(const char *path, const struct options *o) {
    struct disk d;
    int code = disk_open(&d, path, o, false);
    if (!code) code = verify(&d, o->value[OPTION_AGAINST]);
    disk_close(&d);
    return code;
}
