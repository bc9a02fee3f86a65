/* A disk encrypted or decrypted where it lies, so that the power may fail at any moment. A state machine over functions
 * that read, write and flush: it knows no files. cli/DESIGN.md argues.
 *
 * For each chunk: read it; write its ciphertext to the journal; flush the journal; write it to the disk as it shall be;
 * flush the disk. Afterwards, whatever happened, one of the journal's two slots holds the chunk that may be half
 * written, and all that were before it are on the disk.
 *
 * Of the storage it is assumed: what was flushed stays. Of what was not, any part may be there or not, in any order,
 * bytes of the same sector included. The journal never holds plaintext.
 *
 * Threading: one. Allocation: none. Secrets: the buffer holds plaintext; it is the caller's to wipe. */
#ifndef CLI_CONVERT_H
#define CLI_CONVERT_H

#include <crypt/xts.h>
#include "journal.h"

enum convert_error {
    CONVERT_E_DISK_READ = -1,
    CONVERT_E_DISK_WRITE = -2, /* or flush */
    CONVERT_E_JOURNAL_READ = -3,
    CONVERT_E_JOURNAL_WRITE = -4,
    CONVERT_E_JOURNAL_DAMAGED = -5,
    CONVERT_E_OTHER_SIZE = -6,      /* the journal is of a disk with another size, or cut in other chunks */
    CONVERT_E_OTHER_DIRECTION = -7, /* it is of the opposite conversion */
    CONVERT_E_OTHER_KEY = -8,
    CONVERT_E_OTHER_DISK = -9, /* the disk's contents are not those the journal is about */
    CONVERT_E_STOPPED = -10,   /* by step */
};

/* All return 0, or anything else if it failed. */
struct convert_io {
    int (*read)(void *ctx, uint64_t offset, void *dst, size_t n_bytes);
    int (*write)(void *ctx, uint64_t offset, const void *src, size_t n_bytes);
    int (*flush)(void *ctx); /* returns when all that was written will stay */
    void *ctx;
};

/* Between two chunks: how many bytes of the disk are done. false: stop here, to go on another time. */
typedef bool convert_step_fn(void *ctx, uint64_t done, uint64_t total);

struct convert {
    const struct convert_io *disk, *journal; /* the journal: [convert_journal_bytes], zeros when it is new */
    enum journal_direction direction;
    uint64_t disk_bytes;         /* MUST: a multiple of the sector, not 0 */
    uint32_t chunk_bytes;        /* MUST: a multiple of the sector, not 0, at most JOURNAL_CHUNK_MAX */
    const struct crypt_xts *xts; /* sectors are counted from the disk's start */
    uint8_t *buffer;             /* [convert_buffer_bytes] */
    convert_step_fn *step;       /* or NULL */
    void *step_ctx;
};

uint64_t convert_journal_bytes(uint32_t chunk_bytes);
size_t convert_buffer_bytes(uint32_t chunk_bytes);

enum convert_state {
    CONVERT_NEW,   /* nothing was done yet */
    CONVERT_BEGUN, /* and not ended */
    CONVERT_DONE,  /* all is done */
};

/* What the journal says; *out_done: bytes that are done at least. Nothing is written. 0 or a negative convert_error:
 * the journal is no journal of this conversion, this key and this disk. */
int convert_look(struct convert *c, enum convert_state *out, uint64_t *out_done) __attribute__((warn_unused_result));

/* Begin, or go on, to the end. 0 if all is done, and the journal says so; or a negative convert_error: can be called
 * again, once the reason is gone. */
int convert_run(struct convert *c) __attribute__((warn_unused_result));

/* The rest of a sentence for a person. Never NULL. Pure. */
const char *convert_why(int error);

#endif
