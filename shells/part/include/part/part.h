/* Which partitions a disk has: GPT, and MBR with its logical partitions. Strict: what is not clearly right is refused,
 * for another reader might understand it otherwise. Whoever can write to the disk decides what is read here; checksums
 * find damage, not malice.
 *
 * What it is not: it writes nothing, repairs nothing, and knows no file systems. Sectors of 512 bytes only.
 *
 * Threading: no state of its own; any context in which the callback may run. Allocation: none, all storage is the
 * caller's. Stack: under 1 KiB. Bounded: at most 6200 sectors are read.
 * Source: UEFI Specification 2.10, 5.2.1 "Legacy Master Boot Record (MBR)", 5.2.3 "Protective MBR", 5.3 "GUID Partition
 * Table (GPT) Disk Layout". No standard describes logical partitions: Linux 6.1, block/partitions/msdos.c. */
#ifndef PART_PART_H
#define PART_PART_H

#include <stdbool.h>
#include <stdint.h>

#define PART_SECTOR_BYTES 512u
#define PART_MAX          256u /* partitions of a disk: as many as Linux has names for */
#define PART_LOGICAL_MAX  128u /* records in the chain of logical partitions */
#define PART_ID_BYTES     37u  /* a GUID as text, and its NUL */
#define PART_NAME_BYTES   109u /* 36 UTF-16 units as UTF-8, and a NUL */
#define PART_BUFFER_BYTES 4096u

enum part_error {
    PART_E_READ = -1,       /* the callback failed */
    PART_E_NONE = -2,       /* sector 0 is no MBR: no signature, or boot indicators that are none */
    PART_E_HYBRID = -3,     /* the MBR describes partitions beside that of type EEh */
    PART_E_PROTECTIVE = -4, /* the protective partition does not begin at sector 1 */
    PART_E_HEADER = -5,     /* GPT: no header at its place, or a wrong checksum of it */
    PART_E_LAYOUT = -6,     /* GPT: the header's places contradict each other, or the size of the disk */
    PART_E_ENTRIES = -7,    /* GPT: not 1 to 256 entries, or not of 128 * 2^n bytes up to 4096 */
    PART_E_ARRAY = -8,      /* GPT: wrong checksum of the entries */
    PART_E_RECORD = -9,     /* MBR: sectors without a type */
    PART_E_EXTENDED = -10,  /* MBR: more than one extended partition */
    PART_E_CHAIN = -11,     /* MBR: the chain of logical partitions is broken, goes in a circle or is too long */
    PART_E_RANGE = -12,     /* a partition where none can be */
    PART_E_OVERLAP = -13,   /* two partitions share a sector */
};

/* The same as a sentence, without a capital and a full stop, for any enum part_error. */
const char *part_error_text(int error);

struct part_disk {
    /* Copy n_sectors (1 to 8) from lba on to dst. Never asked for sectors that the disk does not have. */
    bool (*read)(void *ctx, uint64_t lba, uint32_t n_sectors, void *dst);
    void *ctx;
    uint64_t n_sectors;
};

struct part {
    uint32_t number; /* as Linux numbers it: place in the table from 1; logical ones from 5 */
    bool extended;   /* MBR: it is there to hold the logical ones, which lie within it */
    uint64_t first_lba, n_sectors;
    char type[PART_ID_BYTES];   /* GPT: GUID; MBR: such as 0x83 */
    char id[PART_ID_BYTES];     /* Linux's PARTUUID: unique GUID, or disk signature and number such as 90909090-01 */
    char name[PART_NAME_BYTES]; /* GPT: UTF-8, any character, "?" for what is none; MBR: "" */
};

enum part_scheme { PART_NO_SCHEME, PART_GPT, PART_MBR };

struct part_table {
    int error; /* what part_parse returned */
    enum part_scheme scheme;
    int primary_error; /* GPT: why the backup was used instead of the primary; 0: it was not */
    uint32_t n_parts;
    struct part part[PART_MAX];        /* numbers ascend; none overlap, but for the extended one and the logical ones */
    uint8_t buffer[PART_BUFFER_BYTES]; /* private */
};

/* Read the table of a disk.
 * 0: *out is complete, and every rule above holds.
 * Negative enum part_error: *out is empty but for error. Where neither copy of a GPT is sound, it is the primary's. The
 * backup counts where the primary cannot be read or its checksums are wrong, and only then: a primary that is sound but
 * odd is an error, for other readers may well understand it. */
int part_parse(const struct part_disk *disk, struct part_table *out) __attribute__((warn_unused_result));

#endif
