/* LUKS headers made and changed: a new header, and keyslots added, removed and given another passphrase.
 *
 * Detached headers of version 1 (PBKDF2) and 2 (PBKDF2, Argon2i, Argon2id) as Debian's cryptsetup reads them, for one
 * aes-xts-plain64 volume with sectors of 512 bytes. In headers others made, whatever is not understood stays as it is.
 *
 * A change is a sequence of writes and flushes such that the power may fail at any of them, in the midst of one too:
 * what lies on the disk then opens with every passphrase that opened it before and was not to be removed, and, once the
 * last write is done, with the new one. Only the area of a slot that is being removed is destroyed, before anything
 * else. It is assumed that a sector of 512 bytes is written wholly or not at all, and that a write that was flushed
 * stays. Version 2's two copies differ after such an accident; both are written again by the next change.
 *
 * An operation that fails has taken no passphrase away but the one it was to remove; *luks and image may no longer be
 * what lies on the disk: read them again.
 *
 * Threading, allocation, stack, vector registers: as crypt/luks.h. Secrets: wiped from stack and workspace.
 *
 * Sources: LUKS On-Disk Format Specification, version 1.2.3, 4 "LUKS operations"; LUKS2 On-Disk Format Specification,
 * version 1.1.4, 2.4 "Metadata Recovery". */
#ifndef CRYPT_LUKS_WRITE_H
#define CRYPT_LUKS_WRITE_H

#include <stddef.h>
#include <stdint.h>
#include <crypt/luks.h>
#include <crypt/rng.h>

/* Where headers lie. Both return 0, or anything else if it failed: then the operation ends with CRYPT_E_LUKS_WRITE. */
struct crypt_luks_store {
    int (*write)(void *ctx, uint64_t offset, const void *src, size_t n_bytes); /* whole sectors */
    int (*flush)(void *ctx); /* returns when all that was written will stay */
    void *ctx;
};

/* What every operation works on, and with. All borrowed. */
struct crypt_luks_edit {
    struct crypt_luks *luks; /* what crypt_luks_parse says of image; kept so */
    uint8_t *image;          /* [image_bytes], what is stored; kept so */
    size_t image_bytes;
    const struct crypt_luks_store *store; /* or NULL: only the image changes */
    struct crypt_rng *rng;
    const struct crypt_xts_kernel *kernel;
    void *work;              /* [work_bytes], aligned to CRYPT_LUKS_WORK_ALIGN */
    size_t work_bytes;       /* MUST: at least CRYPT_LUKS_WORK_MIN. Argon2: at least crypt_argon2_memory_bytes */
    crypt_kdf_step_fn *step; /* or NULL: runs once for the volume key's digest, once for the new passphrase */
    void *step_ctx;
};

/* A passphrase, or the contents of a key file, to be taken in. Borrowed. */
struct crypt_luks_new {
    const void *secret; /* [secret_bytes] */
    size_t secret_bytes;
    struct crypt_luks_kdf kdf;         /* version 1: PBKDF2 only, and later slots take the hash of the first */
    enum crypt_luks_priority priority; /* version 2 */
    int slot;                          /* a free one, or CRYPT_LUKS_ANY_SLOT */
};

/* What else a new header is told. */
struct crypt_luks_volume {
    unsigned version; /* 1 or 2 */
    const void *key;  /* [key_bytes] the volume key: random, the XTS data key first. Borrowed */
    size_t key_bytes; /* 32 or 64 */
};

/* Room for 16 slots or more; what crypt_luks_format is given in general. A multiple of 4096. */
#define CRYPT_LUKS_FORMAT_BYTES 4194304u

/* Each returns 0 or a negative enum crypt_error: CRYPT_E_KDF_LIMITS (costs no reader would take), CRYPT_E_MEMORY (work
 * is too small for Argon2), CRYPT_E_CANCELLED (by step), CRYPT_E_ENTROPY, CRYPT_E_LUKS_WRITE, and those below.
 * crypt_luks_why has a sentence for each. */

/* Make a header with a random UUID and one passphrase in e->image, all of which is overwritten, and describe it in
 * *e->luks. Nothing is stored: the image is the caller's to store.
 * CRYPT_E_KEY_BYTES, CRYPT_E_KEY_WEAK: not a volume key. CRYPT_E_LUKS_FULL: the image is too small. */
CRYPT_MUST_CHECK int crypt_luks_format(struct crypt_luks_edit *e, const struct crypt_luks_volume *v,
                                       const struct crypt_luks_new *first);

/* Take in one more passphrase; *out_slot is its slot.
 *   key  [e->luks->key_bytes] the volume key, which crypt_luks_open found
 * CRYPT_E_LUKS_KEY: it is not. CRYPT_E_LUKS_SLOT: n->slot is not free. CRYPT_E_LUKS_FULL: no slot, or no room, is. */
CRYPT_MUST_CHECK int crypt_luks_add(struct crypt_luks_edit *e, const void *key, const struct crypt_luks_new *n,
                                    unsigned *out_slot);

/* Take a slot away, USED or not; its area is overwritten with random bytes first.
 * CRYPT_E_LUKS_SLOT: there is none, or its area is another one's too. CRYPT_E_LUKS_LAST: no other one is USED. */
CRYPT_MUST_CHECK int crypt_luks_remove(struct crypt_luks_edit *e, unsigned slot);

/* Put another passphrase in the place of a USED slot's; n->slot and n->priority are not looked at. Version 2: the slot
 * stays, with its priority, in another area. Version 1: it moves to *out_slot. Both need room for one more: the old one
 * is removed when the new one is there. If the power fails in between, the former area (version 2) or slot (version 1)
 * is still there. As crypt_luks_add; CRYPT_E_LUKS_SLOT if it is not USED. */
CRYPT_MUST_CHECK int crypt_luks_change(struct crypt_luks_edit *e, unsigned slot, const void *key,
                                       const struct crypt_luks_new *n, unsigned *out_slot);

/* Version 2: write both copies again, that in force last. Version 1: nothing to do. */
CRYPT_MUST_CHECK int crypt_luks_repair(struct crypt_luks_edit *e);

/* A sentence for a person, for any error of this library. Never NULL. Pure. */
const char *crypt_luks_why(int error);

#endif
