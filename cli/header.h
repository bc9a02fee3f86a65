/* A LUKS header in a file of its own, and the volume key out of it.
 *
 * The file is changed in place, in libcrypt's order of writes, each followed by fdatasync: its length and place do not
 * change, so that a power cut at any moment leaves a header that opens. While it is open here, the file is locked
 * against other commands of ours. */
#ifndef CLI_HEADER_H
#define CLI_HEADER_H

#include <crypt/luks_write.h>
#include "options.h"
#include "secret.h"

#define HEADER_BYTES_MAX (64u << 20)

struct header {
    const char *path;
    int fd;
    uint8_t *image; /* [n_bytes] */
    size_t n_bytes;
    struct crypt_luks luks;
};

/* Read it; to change it, if writable. MUST be closed, whatever comes of it. false after a message. */
bool header_open(struct header *h, const char *path, bool writable);
void header_close(struct header *h);

/* The volume key, by a passphrase that is taken in (three times, if a person types it).
 *   slot    only this one, or CRYPT_LUKS_ANY_SLOT
 *   except  a slot that does not count, or CRYPT_LUKS_ANY_SLOT
 *   out     in memory for secrets
 * false after a message. */
struct header_unlock {
    struct secret_source source;
    int slot, except;
};
bool header_unlock(const struct header *h, const struct header_unlock *how, struct crypt_luks_opened *out);

/* What changes need: memory for secrets of work_bytes, random numbers, the file. MUST be ended. */
struct header_change {
    struct crypt_luks_store store;
    struct crypt_rng rng;
    struct crypt_luks_edit edit;
};
bool header_change_begin(struct header_change *c, struct header *h, size_t work_bytes);
void header_change_end(struct header_change *c);

/* The fastest XTS kernel of this processor that gives right answers. */
const struct crypt_xts_kernel *header_kernel(void);

#endif
