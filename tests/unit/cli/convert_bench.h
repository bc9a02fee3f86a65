/* A small disk and its journal whose power fails. Each byte is what the program sees, and what would be there after a
 * power cut; a flush makes the two equal. */
#ifndef CONVERT_BENCH_H
#define CONVERT_BENCH_H

#include "convert.h"

#define BENCH_DISK_BYTES    (5 * 512u)
#define BENCH_CHUNK_BYTES   (2 * 512u) /* three chunks, the last one short */
#define BENCH_JOURNAL_BYTES (2 * (JOURNAL_BLOCK_BYTES + BENCH_CHUNK_BYTES))

struct bench_medium {
    struct bench *bench;
    size_t n_bytes;
    uint8_t seen[BENCH_JOURNAL_BYTES], kept[BENCH_JOURNAL_BYTES];
    bool fail_read;
};

struct bench {
    struct bench_medium disk, journal;
    struct convert_io disk_io, journal_io;
    struct convert convert;
    struct crypt_xts xts;
    uint8_t buffer[JOURNAL_BLOCK_BYTES + BENCH_CHUNK_BYTES + 2 * 65536];
    uint8_t plain[BENCH_DISK_BYTES], cipher[BENCH_DISK_BYTES];
    unsigned n_ops;   /* writes and flushes since the power came on */
    unsigned fail_at; /* the power fails in this one; 0: never */
    uint32_t random;
};

/* What is there when the power comes back, of that which was not flushed. */
enum bench_cut {
    BENCH_NOTHING,
    BENCH_ALL,
    BENCH_FIRST, /* bytes up to somewhere */
    BENCH_LAST,  /* bytes from there on */
    BENCH_EVEN,  /* every other piece, smaller than a sector */
    BENCH_ANY,   /* pieces by chance */
    BENCH_KILL,  /* the program was killed: nothing is lost, nothing was flushed */
    BENCH_CUTS
};

struct bench *bench_new(enum journal_direction direction);
void bench_cut(struct bench *b, enum bench_cut how);

/* Is the disk as it shall be after the conversion? */
bool bench_is_converted(const struct bench *b);
/* And as it was before? */
bool bench_is_as_before(const struct bench *b);
/* Does the journal, as seen or as kept, hold a piece of plaintext? */
bool bench_tells_plaintext(const struct bench *b);

#endif
