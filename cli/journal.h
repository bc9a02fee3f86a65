/* Records of a conversion's journal: what is to stand in a chunk of the disk, in ciphertext, before it is written
 * there. Pure: bytes in memory.
 *
 * A journal is JOURNAL_SLOTS slots, one after the other; record n lies in slot n % JOURNAL_SLOTS. A slot is a block of
 * JOURNAL_BLOCK_BYTES that begins with struct journal_record, and the chunk. Zeros: no record was ever there. Numbers
 * are little-endian, which is what the only processors that run this have. */
#ifndef CLI_JOURNAL_H
#define CLI_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_BLOCK_BYTES  4096u
#define JOURNAL_SLOTS        2u
#define JOURNAL_SECTOR_BYTES 512u
#define JOURNAL_CHUNK_MAX    (64u << 20)

/* Fletcher's: a sum of words of 32 bits, and the sum of these sums. It finds what was torn, not what somebody changed
 * on purpose; and costs less than reading the memory. Source: J. G. Fletcher, "An Arithmetic Checksum for Serial
 * Transmissions", IEEE Transactions on Communications, 1982. */
struct journal_sum {
    uint64_t a, b;
};
struct journal_sum journal_sum(const void *data, size_t n_bytes); /* MUST: a multiple of 4 */

enum journal_direction { JOURNAL_ENCRYPT = 1, JOURNAL_DECRYPT = 2 };

/* As it lies in the block. */
struct journal_record {
    char magic[16];           /* 0x00 */
    struct journal_sum sum;   /* 0x10 of block and chunk, itself being zero */
    uint64_t sequence;        /* 0x20 number of the chunk; of the last record, which has none: how many there are */
    uint64_t disk_bytes;      /* 0x28 */
    uint32_t chunk_bytes;     /* 0x30 */
    uint32_t direction;       /* 0x34 */
    uint8_t key_check[16];    /* 0x38 what the key makes of zeros */
    struct journal_sum first; /* 0x48 of the disk's beginning as ciphertext */
};
_Static_assert(offsetof(struct journal_record, sequence) == 0x20, "layout");
_Static_assert(offsetof(struct journal_record, key_check) == 0x38, "layout");
_Static_assert(sizeof(struct journal_record) == 0x58, "layout");

/* How many chunks there are. MUST: chunk_bytes > 0. */
uint64_t journal_chunks(uint64_t disk_bytes, uint32_t chunk_bytes);

/* The length of the record's chunk; 0 if it is the last record. */
size_t journal_data_bytes(const struct journal_record *r);

/* Make slot a record: *r, but for magic and sum; the chunk is in its place already. Returns how many bytes of the slot
 * it takes. */
size_t journal_seal(void *slot, const struct journal_record *r);

/* Is slot [n_bytes] a record? Then *out; every number in it is within its limits. */
bool journal_sound(const void *slot, size_t n_bytes, struct journal_record *out);

#endif
